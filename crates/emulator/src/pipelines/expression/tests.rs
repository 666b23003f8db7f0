//! What expressions come to, by table.

use super::{Scope, StatusFunction, Value, evaluate};

fn object(members: &[(&str, Value)]) -> Value {
    Value::Object(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

fn in_scope(text: &str) -> Result<Value, String> {
    let outputs = object(&[("create.agentName", Value::text("agent-7"))]);
    let job = object(&[("result", Value::text("Succeeded")), ("outputs", outputs)]);
    let list = Value::List(vec![Value::text("a"), Value::text("b")]);
    let status = |function: StatusFunction, names: &[String]| match function {
        StatusFunction::Always => true,
        StatusFunction::Failed => names.iter().any(|name| name == "broken"),
        StatusFunction::Succeeded | StatusFunction::SucceededOrFailed => names.is_empty(),
        StatusFunction::Canceled => false,
    };
    let scope = Scope::default()
        .with(
            "variables",
            object(&[("Color", Value::text("Red")), ("count", Value::text("12")), ("none", Value::text(""))]),
        )
        .with("parameters", object(&[("on", Value::Boolean(true)), ("list", list)]))
        .with("dependencies", object(&[("provision", job)]))
        .with_status(&status)
        .with_counter(&|prefix, seed| i64::try_from(prefix.len()).unwrap_or_default() + seed);
    evaluate(text, &scope).map_err(|error| error.to_string())
}

#[track_caller]
fn check(table: &[(&str, Value)]) {
    for (text, expected) in table {
        assert_eq!(in_scope(text).as_ref(), Ok(expected), "{text}");
    }
}

#[track_caller]
fn check_truth(table: &[(&str, bool)]) {
    for (text, expected) in table {
        assert_eq!(in_scope(text), Ok(Value::Boolean(*expected)), "{text}");
    }
}

#[test]
fn literals_and_names() {
    check(&[
        ("'it''s'", Value::text("it's")),
        (" -1.5 ", Value::Number(-1.5)),
        ("1.2.3", Value::Version(vec![1, 2, 3])),
        ("TRUE", Value::Boolean(true)),
        ("null", Value::Null),
        ("variables.color", Value::text("Red")),
        ("variables['COLOR']", Value::text("Red")),
        ("variables.unknown", Value::Null),
        ("variables.unknown.deeper", Value::Null),
        ("dependencies.provision.outputs['create.agentName']", Value::text("agent-7")),
        ("Dependencies['provision'].Result", Value::text("Succeeded")),
        ("parameters.list[1]", Value::text("b")),
        ("parameters.list[2]", Value::Null),
        ("parameters.list[-1]", Value::Null),
    ]);
}

#[test]
fn equality_turns_the_right_side_into_the_kind_of_the_left() {
    check_truth(&[
        ("eq('abc', 'ABC')", true),
        ("eq(variables.color, 'red')", true),
        ("eq('1', 1)", true),
        ("eq(1, '1.0')", true),
        ("eq('1.0', 1)", false),
        ("eq(1, 'one')", false),
        ("eq(true, 'false')", true),
        ("eq('true', true)", true),
        ("eq('false', false)", true),
        ("eq('', null)", true),
        ("eq(null, '')", true),
        ("eq(null, 0)", false),
        ("eq(0, null)", true),
        ("eq(variables.unknown, '')", true),
        ("eq(1.2.3, '1.2.3')", true),
        ("eq(parameters.list, 'a')", false),
        ("ne('a', 'b')", true),
        ("ne('a', 'A')", false),
        ("in('B', 'a', 'b')", true),
        ("in(variables.color, 'blue', 'green')", false),
        ("notIn('c', 'a', 'b')", true),
    ]);
}

#[test]
fn order_compares_numbers_texts_and_versions() {
    check_truth(&[
        ("lt(2, 10)", true),
        ("lt('2', '10')", false),
        ("gt(5, variables.count)", false),
        ("le(12, variables.count)", true),
        ("ge(1.10.0, '1.9.0')", true),
        ("gt(1.2.3.4, '1.2.3')", true),
        ("lt('a', 'B')", true),
        ("gt(true, false)", true),
        ("ge(0, '')", true),
    ]);
    assert_eq!(
        in_scope("lt(1, 'one')").unwrap_err(),
        "Unable to compare Number '1' with String 'one': the second must be of the kind of the first. Expression: \
         lt(1, 'one')"
    );
    assert!(in_scope("lt(null, 1)").is_err());
}

#[test]
fn logic() {
    check_truth(&[
        ("and(true, 1, 'x')", true),
        ("and(true, '')", false),
        ("or(false, 0, '')", false),
        ("or(false, 'x')", true),
        ("not('')", true),
        ("xor(true, false)", true),
        ("xor(1, 'x')", false),
        // What no longer matters is not looked at.
        ("or(true, lt(null, 1))", true),
        ("and(false, lt(null, 1))", false),
        ("succeeded()", true),
        ("succeeded('broken')", false),
        ("and(failed('broken'), not(canceled()))", true),
        ("succeededOrFailed()", true),
        ("ALWAYS()", true),
    ]);
}

#[test]
fn texts_and_lists() {
    check_truth(&[
        ("contains('Hello', 'ELL')", true),
        ("startsWith('Hello', 'he')", true),
        ("endsWith('Hello', 'LO')", true),
        ("endsWith('Hello', 'x')", false),
        ("containsValue(parameters.list, 'B')", true),
        ("containsValue(variables, 'red')", true),
        ("containsValue('abc', 'a')", false),
    ]);
    check(&[
        ("coalesce(null, '', 'third')", Value::text("third")),
        ("coalesce(variables.none, variables.unknown)", Value::Null),
        ("iif(eq(1, 1), 'yes', 'no')", Value::text("yes")),
        ("join(', ', parameters.list)", Value::text("a, b")),
        ("join(', ', 'alone')", Value::text("alone")),
        ("split('a,b', ',')", Value::List(vec![Value::text("a"), Value::text("b")])),
        ("format('{0}-{1}-{{x}}', 'a', 2)", Value::text("a-2-{x}")),
        ("lower('ABC')", Value::text("abc")),
        ("upper('abc')", Value::text("ABC")),
        ("trim('  a ')", Value::text("a")),
        ("replace('a.b.c', '.', '-')", Value::text("a-b-c")),
        ("length('four')", Value::Number(4.0)),
        ("length(parameters.list)", Value::Number(2.0)),
        ("convertToJson(parameters.list)", Value::text("[\n  \"a\",\n  \"b\"\n]")),
        ("counter('abc', 100)", Value::Number(103.0)),
    ]);
}

#[test]
fn refusals_say_what_and_where() {
    let table = [
        ("nope", "Unrecognized value: 'nope'. Expression: nope"),
        ("nope()", "Unrecognized function: 'nope', or it cannot be used here. Expression: nope()"),
        ("eq(1)", "Too few parameters supplied for function: 'eq'. Expression: eq(1)"),
        ("not(1, 2)", "Too many parameters supplied for function: 'not'. Expression: not(1, 2)"),
        ("eq(1, 2", "Unexpected end. Located at position 8 within expression: eq(1, 2"),
        ("1 == 2", "Unexpected symbol: '='. Located at position 3 within expression: 1 == 2"),
        ("'open", "A text lacks its closing quote. Located within expression: 'open"),
        (
            "format('{1}', 'a')",
            "The format '{1}' asks for argument 1, and there is none. Expression: format('{1}', 'a')",
        ),
        (
            "lower(parameters.list)",
            "Function 'lower' takes a text, and was given an Array. Expression: lower(parameters.list)",
        ),
        ("", "Unexpected end. Located at position 1 within expression: "),
    ];
    for (text, expected) in table {
        assert_eq!(in_scope(text).unwrap_err(), expected, "{text}");
    }
    let deep = format!("{}true{}", "not(".repeat(60), ")".repeat(60));
    assert!(in_scope(&deep).unwrap_err().starts_with("Exceeded max expression depth 50."));
}

#[test]
fn without_a_run_there_is_no_status() {
    let error = evaluate("succeeded()", &Scope::default()).unwrap_err();
    assert!(error.to_string().starts_with("Unrecognized function: 'succeeded'"), "{error}");
}
