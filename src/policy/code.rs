//! The kinds of problems that a policy can have: a stable number and a name each. `docs/lints.md` has a page
//! section with an example for each of them.
//!
//! A number is never reused, and never changes its meaning.

use super::Severity;
use std::fmt;

/// Declares the codes: the variant, its number, its name, and what it means in one sentence.
macro_rules! codes {
    ($($variant:ident $id:literal $name:literal $summary:literal)*) => {
        /// The kind of a problem. [`Code::id`] is its stable number, such as `E201` or `W301`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[allow(missing_docs, reason = "docs/lints.md describes each")]
        pub enum Code {
            $($variant,)*
        }

        impl Code {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Code] = &[$(Code::$variant,)*];

            /// Its number: `E` and three digits for an error, `W` for a warning.
            pub const fn id(self) -> &'static str {
                match self {
                    $(Code::$variant => $id,)*
                }
            }

            /// A short name, for example `unknown-syscall`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Code::$variant => $name,)*
                }
            }

            /// What it means, in one sentence.
            pub const fn summary(self) -> &'static str {
                match self {
                    $(Code::$variant => $summary,)*
                }
            }
        }
    };
}

codes! {
    // The file.
    Unreadable        "E101" "unreadable"         "A policy file cannot be read, is too large, or is not UTF-8 text."
    Toml              "E102" "toml"               "The file is not valid TOML."
    UnknownPreset     "E103" "unknown-preset"     "There is no built-in policy of this name."
    Extends           "E104" "extends"            "`extends` names what cannot be extended here, or too many files extend one another."
    Cycle             "E105" "cycle"              "Files extend one another in a circle."
    Description       "E106" "description"        "`description` is not one line."
    // Keys and values.
    UnknownKey        "E201" "unknown-key"        "The policy language has no such key in this place."
    WrongType         "E202" "wrong-type"         "A value has the wrong type."
    MissingKey        "E203" "missing-key"        "A table lacks a key that it needs."
    EmptyList         "E204" "empty-list"         "A list in which something must be named is empty."
    UnknownAction     "E205" "unknown-action"     "An action is neither a known word nor the name of an errno."
    Action            "E206" "action"             "The action is not possible in this list."
    Quiet             "E207" "quiet"              "`quiet` is given where nothing is denied."
    UnsetVariable     "E208" "unset-variable"     "A path or an endpoint uses a variable that is not set."
    Path              "E209" "path"               "A path or a path pattern is malformed, or the call names no path."
    TwoValues         "E210" "two-values"         "Two extended files give a key of [process] different values."
    // `[syscalls]` and `[[rule]]`.
    UnknownSyscall    "E301" "unknown-syscall"    "There is no system call of this name."
    UnknownGroup      "E302" "unknown-group"      "There is no group of system calls of this name."
    Condition         "E303" "condition"          "A condition of a rule is malformed, or does not fit its system call."
    Argv              "E304" "argv"               "The `argv` of a rule is malformed, or the call has no argument vector."
    Peer              "E305" "peer"               "A rule has a `peer`, but its call names none."
    // `[net]`.
    Endpoint          "E401" "endpoint"           "An endpoint is malformed."
    // `[limits]` and `[process]`.
    Limit             "E501" "limit"              "The value of a limit is malformed."
    Nice              "E502" "nice"               "The value of `nice` is not a niceness."
    Umask             "E503" "umask"              "The value of `umask` is not a file mode mask."
    User              "E504" "user"               "The value of `user` is not a user."
    Tmpdir            "E505" "tmpdir"             "The value of `tmpdir` is not \"fresh\", or contradicts `env`."
    Variable          "E506" "variable"           "An entry of `env` is not a valid variable."
    UnknownCapability "E507" "unknown-capability" "There is no capability of this name."
    UnknownIsolation  "E508" "unknown-isolation"  "There is no word of this name for `isolate`."
    // What a policy must not do.
    Baseline          "E601" "baseline"           "The policy contradicts the rules with which jail protects itself."
    LedElsewhere      "E602" "led-elsewhere"      "A symbolic link that the command may have created leads an entry elsewhere."
    OpenedHome        "E603" "opened-home"        "A relative entry of `write` is the home directory, or one above it."
    Racy              "E604" "racy"               "With `--strict`: another thread of the command can bypass the entry on this host."
    Domain            "E605" "domain"             "A [domain] has what a domain cannot have, or lacks what it needs."
    Widens            "E606" "widens"             "A domain allows what the main policy does not."
    // Tests.
    Test              "E701" "test"               "A sentence of a [[test]] is malformed."
    TestDiffers       "E702" "test-differs"       "`jail test`: a sentence is decided otherwise than expected."
    // Policies that do little.
    NoBase            "W101" "no-base"            "No program can start under the policy, or hardly any."
    NoFiles           "W102" "no-files"           "The policy opens no files but the system's."
    Empty             "W103" "empty"              "The policy is empty, and an empty policy denies everything."
    SaysNothing       "W104" "says-nothing"       "A section, a list or a table is valid TOML and says nothing."
    // Entries without effect.
    Shadowed          "W201" "shadowed"           "An entry or a rule can never decide anything."
    Redundant         "W202" "redundant"          "An entry changes nothing."
    Duplicate         "W203" "duplicate"          "The same is said twice."
    NeverHolds        "W204" "never-holds"        "The condition of a rule can never hold."
    AlwaysHolds       "W205" "always-holds"       "The condition of a rule always holds."
    LiftsNothing      "W206" "lifts-nothing"      "A `lift` lifts nothing."
    Unreachable       "W207" "unreachable"        "The main policy does not let a program of a domain be executed."
    // `[fs]`: entries that open more, or close less, than their author may think.
    WholeHome         "W301" "whole-home"         "An entry opens the whole home directory."
    Movable           "W302" "movable"            "A denied path goes through a symbolic link that the command can change."
    MissingPath       "W303" "missing-path"       "The path of an entry does not exist."
    HardLink          "W304" "hard-link"          "A denied or protected file has other names: hard links."
    MatchesNothing    "W305" "matches-nothing"    "A pattern matches no existing file."
    Defeated          "W306" "defeated"           "The command can change a directory above a denied path, or copy a denied program."
    ExecutedLater     "W307" "executed-later"     "The command can change files that other programs execute later."
    OwnPolicy         "W308" "own-policy"         "The command can change the policy file through another name of it."
    KernelFiles       "W309" "kernel-files"       "The command can change files of the kernel, beneath /proc or /sys."
    ContainerSocket   "W310" "container-socket"   "The command can reach the socket of a container engine, and with it the host."
    // `[net]`.
    NameDenied        "W401" "name-denied"        "A host is denied by its name alone."
    NoResolver        "W402" "no-resolver"        "Host names are allowed, but no resolver."
    AnyResolver       "W403" "any-resolver"       "Host names are allowed, and the command can choose its resolver."
    OwnResolver       "W404" "own-resolver"       "Listening on port 53 is allowed, but reserved for resolvers."
    Misspelt          "W405" "misspelt"           "A host name is likely a misspelt word for a range of addresses."
    // `[process]`.
    Missing           "W501" "missing"            "[process] names what this host does not have."
    HostLacks         "W601" "host-lacks"         "With `--host` or `--landlock-abi`: that host cannot enforce an entry soundly, or not at all."
}

impl Code {
    /// Whether it makes the policy unusable.
    pub fn severity(self) -> Severity {
        match self.id().starts_with('E') {
            true => Severity::Error,
            false => Severity::Warning,
        }
    }
}

/// Its number.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ascend_and_names_are_unique() {
        let ids: Vec<&str> = Code::ALL.iter().map(|code| code.id()).collect();
        assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
        assert!(ids.iter().all(|id| id.len() == 4));
        let mut names: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        names.sort_unstable();
        assert!(names.is_sorted_by(|one, next| one < next), "{names:?}");
    }
}
