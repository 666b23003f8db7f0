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

    /// The task's program as its script starts it: with these inputs, and the connection `azure` with a key.
    pub fn task(&self, inputs: &[(&str, &str)]) -> Invocation {
        let setting = |name: &str| self.setting(name);
        let fixed = [
            ("TF_BUILD", "True".to_owned()),
            ("SYSTEM_COLLECTIONURI", setting("AZURE_DEVOPS_ORG_URL")),
            ("SSL_CERT_FILE", setting("EMULATOR_CA_FILE")),
            ("ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN", "none".to_owned()),
            ("ENDPOINT_URL_azure", setting("EMULATOR_URL")),
            ("ENDPOINT_DATA_azure_ENVIRONMENT", "AzureStack".to_owned()),
            ("ENDPOINT_DATA_azure_SUBSCRIPTIONID", setting("AZURE_SUBSCRIPTION_ID")),
            ("ENDPOINT_AUTH_SCHEME_azure", "ServicePrincipal".to_owned()),
            ("ENDPOINT_AUTH_PARAMETER_azure_TENANTID", setting("AZURE_TENANT_ID")),
            ("ENDPOINT_AUTH_PARAMETER_azure_SERVICEPRINCIPALID", setting("AZURE_CLIENT_ID")),
            ("ENDPOINT_AUTH_PARAMETER_azure_SERVICEPRINCIPALKEY", setting("AZURE_CLIENT_SECRET")),
            ("INPUT_CONNECTEDSERVICENAMEARM", "azure".to_owned()),
            ("INPUT_RESOURCEGROUPNAME", setting("AZURE_RESOURCE_GROUP")),
            ("INPUT_AGENTPOOL", setting("AZURE_DEVOPS_POOL")),
            ("INPUT_IMAGENAME", crate::AGENT_IMAGE.to_owned()),
            ("INPUT_AZUREDEVOPSTOKEN", setting("AZURE_DEVOPS_EXT_PAT")),
            ("INPUT_AGENTCAFILE", setting("EMULATOR_CA_FILE")),
        ];
        let environment = fixed.map(|(name, value)| (name.to_owned(), value)).into();
        let invocation = Invocation::new(&["task"], environment);
        inputs.iter().fold(invocation, |task, (name, value)| {
            task.env(&format!("INPUT_{}", name.to_uppercase()), value)
        })
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
