//! Pipelines as a person has them run: extensions, service connections, a YAML file; with the emulator's own commands.

use serde_json::Value;

use crate::invocation::Invocation;
use crate::programs::Program;
use crate::world::World;

impl World {
    /// `azure-emulator` and these words, for this world.
    pub fn azure_emulator(&self, words: &[&str]) -> Invocation {
        let environment = [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into();
        let data = self.emulator().data.display().to_string();
        Invocation::new(words, environment).of(Program::Emulator).and("data", &data)
    }

    /// Installs the extension that `cargo xtask test` has packaged; `false` where it has not.
    pub async fn install_extension(&self) -> bool {
        let Ok(package) = std::env::var("EXTENSION") else { return false };
        let printed = self.azure_emulator(&["extension", "install", &package]).run().await;
        assert_eq!(printed.code, Some(0), "{}", printed.said());
        true
    }

    /// Makes a service connection, or makes it anew, and gives what is said of it.
    pub async fn connect(&self, name: &str, connection: &Value) -> String {
        let file = self.folder().join(format!("{name}.json"));
        std::fs::write(&file, connection.to_string()).expect("a file");
        let file = file.display().to_string();
        let printed =
            self.azure_emulator(&["service-connection", "put", name]).and("file", &file).run().await;
        assert_eq!(printed.code, Some(0), "{}", printed.said());
        printed.said()
    }

    /// A run of this pipeline, whose secret variable `poolToken` registers agents.
    pub fn pipeline(&self, name: &str, yaml: &str) -> Invocation {
        let file = self.folder().join(format!("{name}.yml"));
        std::fs::write(&file, yaml).expect("a file");
        self.azure_emulator(&["pipeline", "run", &file.display().to_string()])
            .and("secret", "poolToken=POOL_TOKEN")
            .env("POOL_TOKEN", &self.setting("AZURE_DEVOPS_EXT_PAT"))
    }

    /// A connection to Azure of this scheme, as the app of the world.
    pub fn azure_connection(&self, scheme: &str, parameters: &[(&str, &str)]) -> Value {
        let mut connection = serde_json::json!({
            "type": "azurerm", "scheme": scheme,
            "parameters": {
                "tenantid": self.setting("AZURE_TENANT_ID"),
                "serviceprincipalid": self.setting("AZURE_CLIENT_ID"),
            },
            "data": {
                "environment": "AzureStack", "environmentUrl": "{emulator-url}",
                "subscriptionId": self.setting("AZURE_SUBSCRIPTION_ID"), "subscriptionName": "Sample",
            },
        });
        for (name, value) in parameters {
            connection["parameters"][*name] = Value::from(*value);
        }
        connection
    }
}
