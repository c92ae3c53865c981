//! The user and host that run `wab`, and in CI the commit and the job, from environment variables.

use std::env;

/// The user, commit and CI job of a run, for the run log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// `user@host`.
    pub who: String,
    /// The commit that the CI job runs on.
    pub git_sha: Option<String>,
    /// The URL of the CI job.
    pub ci_url: Option<String>,
}

/// The variables for the commit, in GitHub, GitLab, Jenkins, Buildkite, CircleCI and Azure.
const COMMIT: [&str; 6] =
    ["GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT", "BUILDKITE_COMMIT", "CIRCLE_SHA1", "BUILD_SOURCEVERSION"];

/// The variables for the job's URL. GitHub's URL is composed of three other variables.
const PAGE: [&str; 4] = ["CI_JOB_URL", "BUILD_URL", "BUILDKITE_BUILD_URL", "CIRCLE_BUILD_URL"];

impl Who {
    /// Reads the environment of this process.
    pub fn now() -> Self {
        let host = ["/proc/sys/kernel/hostname", "/etc/hostname"];
        let host = || host.iter().find_map(|file| std::fs::read_to_string(file).ok());
        Self::from_variables(|name| env::var(name).ok().filter(|value| !value.is_empty()), host)
    }

    fn from_variables(
        variable: impl Fn(&str) -> Option<String>,
        host: impl FnOnce() -> Option<String>,
    ) -> Self {
        let first = |names: &[&str]| names.iter().find_map(|name| variable(name));
        let user = first(&["GITHUB_ACTOR", "GITLAB_USER_LOGIN", "USER", "LOGNAME"]);
        let host = variable("HOSTNAME").or_else(host);
        let [user, host] = [user, host].map(|text| text.unwrap_or_else(|| "unknown".to_owned()));
        let on_github = || {
            let [server, repository, run] =
                ["GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"].map(&variable);
            Some(format!("{}/{}/actions/runs/{}", server?, repository?, run?))
        };
        Self {
            who: format!("{user}@{}", host.trim()),
            git_sha: first(&COMMIT),
            ci_url: on_github().or_else(|| first(&PAGE)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Who {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).to_owned());
        Who::from_variables(find, || Some("box\n".to_owned()))
    }

    #[test]
    fn a_person_is_user_at_host() {
        let who = read(&[("USER", "ana")]);
        assert_eq!(who, Who { who: "ana@box".into(), git_sha: None, ci_url: None });
        assert_eq!(read(&[("LOGNAME", "bo"), ("HOSTNAME", "ship")]).who, "bo@ship");
        assert_eq!(read(&[]).who, "unknown@box");
    }

    #[test]
    fn ci_variables_give_commit_and_url() {
        let who = read(&[
            ("GITHUB_ACTOR", "ana"),
            ("GITHUB_SHA", "abc"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REPOSITORY", "acme/fleet"),
            ("GITHUB_RUN_ID", "7"),
        ]);
        assert_eq!(who.who, "ana@box");
        assert_eq!(who.git_sha.as_deref(), Some("abc"));
        assert_eq!(who.ci_url.as_deref(), Some("https://github.com/acme/fleet/actions/runs/7"));
        let who = read(&[("CI_COMMIT_SHA", "def"), ("CI_JOB_URL", "https://gitlab.example.com/j/1")]);
        assert_eq!(who.git_sha.as_deref(), Some("def"));
        assert_eq!(who.ci_url.as_deref(), Some("https://gitlab.example.com/j/1"));
    }
}
