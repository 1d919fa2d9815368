//! The programs that package managers run for packages, as their presets say.

use super::domain_text;
use crate::learn::Request;
use crate::paths::Access;
use crate::policy::{Domain, MOST_DOMAINS, Policy};

/// Programs that a package manager runs for packages.
pub struct Kind {
    /// The built-in policy that says which programs these are, and its domain.
    preset: &'static str,
    domain: &'static str,
    /// How the name of the program begins that starts them. Others start such programs for other reasons.
    manager: &'static [&'static str],
    /// Whether the package manager itself enters the domain.
    itself: bool,
    /// A domain whose programs are in this one, too, and are not what it is about.
    without: Option<&'static str>,
}

const KINDS: [Kind; 6] = [
    Kind {
        preset: "cargo",
        domain: "build-script",
        manager: &["cargo"],
        itself: false,
        without: None,
    },
    // Procedural macros run in it.
    Kind {
        preset: "cargo",
        domain: "compiler",
        manager: &["cargo"],
        itself: false,
        without: None,
    },
    // What was built has the code of all packages.
    Kind {
        preset: "cargo",
        domain: "program",
        manager: &["cargo"],
        itself: false,
        without: Some("build-script"),
    },
    Kind {
        preset: "npm",
        domain: "package-script",
        manager: &["npm"],
        itself: false,
        without: None,
    },
    Kind {
        preset: "pip",
        domain: "package-build",
        manager: &["pip", "python"],
        itself: false,
        without: None,
    },
    Kind {
        preset: "go",
        domain: "generate",
        manager: &["go"],
        itself: true,
        without: None,
    },
];

impl Kind {
    /// Whether a program in these domains, with these ancestors, itself at the end, was started by the package
    /// manager.
    pub fn is_started(&self, domains: &[&str], ancestry: &[&str]) -> bool {
        if self.without.is_some_and(|other| domains.contains(&other)) {
            return false;
        }
        let above = match (self.itself, ancestry) {
            (false, [above @ .., _]) => above,
            (_, all) => all,
        };
        let is_manager = |name: &&str| self.manager.iter().any(|start| name.starts_with(start));
        above.iter().any(is_manager)
    }

    /// The domain of the preset.
    pub fn of_preset(&self) -> Option<Domain> {
        let policy = Policy::preset(self.preset).ok()?;
        let id = policy.domain(self.domain)?;
        policy.domains.into_iter().nth(usize::from(id))
    }
}

/// The text of a policy with the kinds that it has no domains for, as domains that restrict nothing.
pub fn watched(text: &str, policy: &Policy) -> Result<String, String> {
    let missing = KINDS
        .iter()
        .filter(|kind| policy.domain(kind.domain).is_none());
    let room = MOST_DOMAINS.saturating_sub(policy.domains.len());
    let mut text = text.to_owned();
    for domain in missing.take(room).filter_map(Kind::of_preset) {
        text = domain_text::with_domain(&text, &domain, None)?;
    }
    Ok(text)
}

/// The kind that a domain is about.
pub fn kind(domain: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.domain == domain)
}

/// Whether a domain's lists are about such a request.
pub fn is_listed(request: &Request) -> bool {
    match request {
        Request::Path(access, _) => *access == Access::Write,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_programs_in_its_preset() {
        for kind in &KINDS {
            let domain = kind.of_preset().expect(kind.domain);
            assert!(!domain.programs.is_empty(), "{}", kind.domain);
        }
        assert!(kind("package-script").is_some() && kind("go-program").is_none());
    }

    #[test]
    fn only_what_the_package_manager_starts_is_of_a_kind() {
        let started =
            |name: &str, ancestry: &[&str]| kind(name).expect(name).is_started(&[name], ancestry);
        assert!(started(
            "build-script",
            &["sh", "cargo", "build-script-build"]
        ));
        assert!(!started("build-script", &["sh", "build-script-build"]));
        assert!(
            started("compiler", &["cargo", "rustc"]) && !started("compiler", &["make", "rustc"])
        );
        assert!(started("package-script", &["npm", "sh"]));
        assert!(!started("package-script", &["make", "sh"]));
        // A script in Python is none of pip's.
        assert!(!started("package-build", &["sh", "python3"]));
        assert!(started("package-build", &["python3", "python3"]));
        assert!(started("generate", &["go"]));
        assert!(started("program", &["cargo", "victim"]));
        let domains = ["build-script", "program"];
        let program = kind("program").expect("a kind");
        assert!(!program.is_started(&domains, &["cargo", "build-script-build"]));
    }

    #[test]
    fn a_policy_is_watched_for_the_domains_that_it_does_not_have() {
        let text = "extends = [\"base\"]\n[domain.generate]\non-exec = [\"/x\"]\n";
        let load = |text: &str| Policy::parse(text, "p.toml").expect(text);
        let watched = watched(text, &load(text)).expect("a policy");
        let policy = load(&watched);
        let names: Vec<&str> = policy.domains.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "generate",
                "build-script",
                "compiler",
                "program",
                "package-script",
                "package-build"
            ]
        );
        let shells = &policy.domains[4].programs;
        assert_eq!(shells[0].to_string(), "/bin/sh [\"*\", \"-c\", \"**\"]");
    }
}
