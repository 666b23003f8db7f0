//! The folders of a job, and the variables that name them.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::variables::Variables;

/// Where a job works.
#[derive(Clone, Debug)]
pub(crate) struct Folders {
    /// `_work`.
    pub(crate) work: PathBuf,
    /// `_work/1`.
    pub(crate) build: PathBuf,
    /// `_work/1/s`.
    pub(crate) sources: PathBuf,
    /// `_work/_temp`, emptied for every job.
    pub(crate) temp: PathBuf,
    /// `_work/_tasks`.
    pub(crate) tasks: PathBuf,
    /// `_work/_tool`, or what `AGENT_TOOLSDIRECTORY` says.
    pub(crate) tools: PathBuf,
}

impl Folders {
    /// Makes the folders.
    ///
    /// # Errors
    /// The work folder is not writable.
    pub(crate) fn prepare(work: PathBuf, tools: Option<&str>) -> anyhow::Result<Self> {
        let build = work.join("1");
        let folders = Self {
            sources: build.join("s"),
            temp: work.join("_temp"),
            tasks: work.join("_tasks"),
            tools: tools.map_or_else(|| work.join("_tool"), PathBuf::from),
            build,
            work,
        };
        if folders.temp.exists() {
            std::fs::remove_dir_all(&folders.temp)
                .with_context(|| format!("{} cannot be emptied", folders.temp.display()))?;
        }
        let of_build = ["a", "b", "TestResults"].map(|name| folders.build.join(name));
        for folder in of_build.iter().chain([&folders.sources, &folders.temp, &folders.tasks, &folders.tools])
        {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        Ok(folders)
    }

    /// Sets the variables that name them.
    pub(crate) fn name_in(&self, variables: &mut Variables) {
        let staging = self.build.join("a");
        let results = self.build.join("TestResults");
        for (name, folder) in [
            ("agent.workFolder", &self.work),
            ("agent.buildDirectory", &self.build),
            ("pipeline.workspace", &self.build),
            ("agent.tempDirectory", &self.temp),
            ("agent.toolsDirectory", &self.tools),
            ("system.artifactsDirectory", &staging),
            ("build.artifactStagingDirectory", &staging),
            ("build.stagingDirectory", &staging),
            ("build.binariesDirectory", &self.build.join("b")),
            ("build.sourcesDirectory", &self.sources),
            ("build.repository.localPath", &self.sources),
            ("system.defaultWorkingDirectory", &self.sources),
            ("common.testResultsDirectory", &results),
        ] {
            variables.set(name, &folder.to_string_lossy(), false);
        }
    }

    /// A path of a step: relative ones begin at the sources.
    pub(crate) fn rooted(&self, path: &str) -> PathBuf {
        self.sources.join(Path::new(path))
    }
}
