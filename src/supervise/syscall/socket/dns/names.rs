//! Which names an address is known by: leases of what resolvers answered to the command over UDP, and of
//! what the supervisor has looked up itself (see `lookup`).
//!
//! Nothing here waits: a call that is about to be denied while a look-up is under way is made again later.

use super::lookup::{LookedUp, PATIENCE, Searcher, Wanted};
use crate::net::NamePattern;
use crate::net::dns::{Answer, Question, TYPE_A, TYPE_AAAA};
use crate::net::leases::Leases;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Questions of the command that are kept: those that were asked last.
const MOST_QUESTIONS: usize = 16;
/// The longest pause between two looks at what a look-up has found.
const LONGEST_PAUSE: Duration = Duration::from_millis(32);

/// Names and addresses.
pub struct Names {
    patterns: Vec<NamePattern>,
    /// Whether the names of every address are wanted, because they are learned.
    all: bool,
    leases: Leases,
    /// Looks the names of the policy up.
    named: Searcher,
    /// Puts the command's questions again.
    stop: Searcher,
    /// The command's questions whose answers were not seen, the last one first: to which resolver.
    questions: VecDeque<(SocketAddr, Question)>,
    /// Whether one of them has not been put again since it was asked.
    unasked: bool,
}

/// What is known of an address that is about to be denied.
#[derive(Debug, PartialEq, Eq)]
pub enum Known {
    /// A name of the policy stands for it.
    Named,
    /// None does.
    Unknown,
    /// A look-up is under way: it is to be asked again after this pause.
    Later(Duration),
}

impl Names {
    /// For these names; looks them up at once. `all`: what others stand for is kept, too.
    pub fn new<'a>(patterns: impl Iterator<Item = &'a NamePattern>, all: bool) -> Names {
        let patterns: Vec<NamePattern> = patterns.cloned().collect();
        let searcher = || match patterns.is_empty() {
            true => Searcher::default(),
            false => Searcher::start(),
        };
        let mut names = Names {
            named: searcher(),
            stop: searcher(),
            patterns,
            all,
            leases: Leases::new(),
            questions: VecDeque::new(),
            unasked: false,
        };
        names.named.begin(names.exact());
        names
    }

    /// The names that stand for an address at present.
    pub fn of(&self, address: IpAddr) -> Vec<&str> {
        match self.patterns.is_empty() && !self.all {
            true => Vec::new(),
            false => self.leases.names(address, Instant::now()),
        }
    }

    /// A resolver has answered. Names that the policy is not about are kept, too: for messages.
    pub fn answered(&mut self, answer: &Answer) {
        let now = Instant::now();
        for (address, ttl) in &answer.addresses {
            let ttl = Duration::from_secs((*ttl).into());
            self.leases.lease(&answer.name, *address, ttl, now);
        }
    }

    /// The command asks a resolver, and the answer may not be seen. What it asks is read from its memory
    /// and may be anything: it decides what is looked up, never what is leased.
    pub fn asks(&mut self, resolver: SocketAddr, question: Question) {
        let addresses = matches!(question.kind, TYPE_A | TYPE_AAAA);
        if !addresses || !self.is_about(&question.name) {
            return;
        }
        let stop = (resolver, question);
        self.questions.retain(|known| *known != stop);
        self.questions.truncate(MOST_QUESTIONS - 1);
        self.questions.push_front(stop);
        self.unasked = true;
    }

    /// An answer to this question was seen.
    pub fn heard(&mut self, question: &Question) {
        self.questions.retain(|(_, stop)| stop != question);
    }

    /// Looks up what may stand for an address, unless it has just been done.
    pub fn look_up(&mut self, address: IpAddr) -> Known {
        self.take_in();
        if self.of(address).iter().any(|name| self.is_about(name)) {
            return Known::Named;
        }
        if !self.named.is_fresh() {
            self.named.begin(self.exact());
        }
        if !self.stop.is_running() && (self.unasked || !self.stop.is_fresh()) {
            self.unasked = false;
            let questions = self.questions.iter().cloned();
            let wanted = questions.map(|(resolver, stop)| Wanted::Answer(resolver, stop));
            self.stop.begin(wanted.collect());
        }
        let since = [&self.named, &self.stop].map(Searcher::waited_for);
        match since.into_iter().flatten().min() {
            // At first often, for most look-ups take no time.
            Some(since) => Known::Later((since / 4).min(LONGEST_PAUSE)),
            None => Known::Unknown,
        }
    }

    /// Whether a call that has waited since then may go on waiting.
    pub fn may_wait(since: Instant) -> bool {
        since.elapsed() < PATIENCE
    }

    /// Leases what has been looked up.
    pub fn take_in(&mut self) {
        for searcher in [&mut self.named, &mut self.stop] {
            while let Some(found) = searcher.found() {
                let LookedUp {
                    name,
                    addresses,
                    at,
                } = found;
                for (address, ttl) in addresses {
                    self.leases.lease(&name, address, ttl, at);
                }
            }
        }
    }

    fn is_about(&self, name: &str) -> bool {
        self.patterns.iter().any(|known| known.matches(name))
    }

    /// The names that can be looked up: no wildcards.
    fn exact(&self) -> Vec<Wanted> {
        self.patterns
            .iter()
            .filter(|pattern| !pattern.is_wildcard())
            .map(|pattern| Wanted::Name(pattern.as_str().to_owned()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str, kind: u16) -> Question {
        Question {
            name: name.to_owned(),
            kind,
        }
    }

    #[test]
    fn only_questions_about_addresses_of_the_policys_names_are_kept_and_the_last_ones() {
        let pattern = NamePattern::new("*.example").expect("a pattern");
        let mut names = Names::new([pattern].iter(), false);
        let resolver = SocketAddr::from(([192, 0, 2, 53], 53));
        names.asks(resolver, question("evil.test", TYPE_A));
        names.asks(resolver, question("a.example", 65));
        assert!(names.questions.is_empty() && !names.unasked);
        for count in 0..100 {
            names.asks(resolver, question(&format!("n{count}.example"), TYPE_AAAA));
            names.asks(resolver, question("a.example", TYPE_A));
        }
        assert!(names.unasked);
        assert_eq!(names.questions.len(), MOST_QUESTIONS);
        let kept: Vec<&str> = names
            .questions
            .iter()
            .map(|(_, question)| question.name.as_str())
            .collect();
        assert_eq!(kept[..3], ["a.example", "n99.example", "n98.example"]);
        names.heard(&question("a.example", TYPE_AAAA));
        assert_eq!(names.questions.len(), MOST_QUESTIONS);
        names.heard(&question("a.example", TYPE_A));
        assert_eq!(names.questions.len(), MOST_QUESTIONS - 1);
    }

    #[test]
    fn nothing_is_waited_for_where_nothing_can_be_looked_up() {
        let pattern = NamePattern::new("*.example").expect("a pattern");
        let mut names = Names::new([pattern].iter(), false);
        assert_eq!(names.look_up([192, 0, 2, 1].into()), Known::Unknown);
        let mut none = Names::new([].iter(), false);
        assert_eq!(none.look_up([192, 0, 2, 1].into()), Known::Unknown);
    }
}
