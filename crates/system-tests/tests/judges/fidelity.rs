//! `docs/fidelity.md`. What it says of each judge is checked where that judge has judged.

#[test]
fn every_route_of_the_emulator_has_a_row() {
    system_tests::fidelity::every_route_has_a_row();
}
