//! The processes of a log: which made which, when each began and ended, and which programs it ran.

use super::{Event, Journal};
use std::collections::HashMap;

/// A process.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    /// Its id. The kernel may give the id of an ended process to another.
    pub pid: i32,
    /// The process that made it, by its index.
    pub parent: Option<usize>,
    /// How many made it in turn.
    pub depth: usize,
    /// When it began.
    pub begin: f64,
    /// When it ended; `None`: the log does not say.
    pub end: Option<f64>,
    /// The names of the programs that it ran, the last one last.
    pub names: Vec<String>,
    /// How it ended, in words.
    pub ending: Option<String>,
    /// How many threads it made.
    pub threads: usize,
}

/// The processes, in the order in which they began.
#[derive(Debug, Default)]
pub struct Tree {
    /// All of them.
    pub processes: Vec<Process>,
    /// For each entry of the journal, its process.
    pub of_entry: Vec<Option<usize>>,
    current: HashMap<i32, usize>,
}

impl Tree {
    /// The processes of a journal.
    pub fn new(journal: &Journal) -> Tree {
        let mut tree = Tree::default();
        for entry in &journal.entries {
            let process = tree.add(entry.time, &entry.event);
            tree.of_entry.push(process);
        }
        tree
    }

    /// The processes as a tree is printed: each after its parent, with its children.
    pub fn order(&self) -> Vec<usize> {
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); self.processes.len()];
        let mut left: Vec<usize> = Vec::new();
        for (index, process) in self.processes.iter().enumerate() {
            match process.parent.and_then(|parent| children.get_mut(parent)) {
                Some(list) => list.push(index),
                None => left.push(index),
            }
        }
        left.reverse();
        let mut order = Vec::with_capacity(self.processes.len());
        while let Some(index) = left.pop() {
            order.push(index);
            let list = children.get(index).map(Vec::as_slice).unwrap_or_default();
            left.extend(list.iter().rev());
        }
        order
    }

    fn add(&mut self, time: f64, event: &Event) -> Option<usize> {
        match event {
            Event::Start(start) => {
                let index = self.process(start.pid, time);
                // Until the log names the program that it runs.
                let name = start.program.rsplit('/').next();
                if let (Some(process), Some(name)) = (self.processes.get_mut(index), name)
                    && process.names.is_empty()
                {
                    process.names.push(name.to_owned());
                }
                Some(index)
            }
            Event::Exec { pid, ancestry, .. } => {
                let index = self.process(*pid, time);
                if let (Some(process), Some(name)) =
                    (self.processes.get_mut(index), ancestry.last())
                {
                    process.names.push(name.clone());
                }
                Some(index)
            }
            Event::Spawn { pid, child, thread } => {
                let parent = self.process(*pid, time);
                match thread {
                    true => {
                        if let Some(process) = self.processes.get_mut(parent) {
                            process.threads += 1;
                        }
                    }
                    false => _ = self.begin(*child, Some(parent), time),
                }
                Some(parent)
            }
            Event::Denied(denial) => Some(self.process(denial.pid, time)),
            Event::Access(access) => Some(self.process(access.pid, time)),
            Event::Foreign(foreign) => Some(self.process(foreign.pid, time)),
            Event::Limit(limit) => Some(self.process(limit.pid, time)),
            Event::Signal { pid, .. } => Some(self.process(*pid, time)),
            Event::Exit(exit) => {
                let index = self.process(exit.pid, time);
                if let Some(process) = self.processes.get_mut(index) {
                    process.end = Some(time);
                    process.ending = match (exit.code, &exit.signal) {
                        (Some(code), _) => Some(format!("exited with {code}")),
                        (None, Some(signal)) => Some(format!("ended by {}", signal.name)),
                        (None, None) => None,
                    };
                }
                self.current.remove(&exit.pid);
                Some(index)
            }
            Event::Waiting { .. } | Event::End(_) => None,
        }
    }

    /// The process with this id; it begins if it is not known.
    fn process(&mut self, pid: i32, time: f64) -> usize {
        match self.current.get(&pid) {
            Some(index) => *index,
            None => self.begin(pid, None, time),
        }
    }

    fn begin(&mut self, pid: i32, parent: Option<usize>, time: f64) -> usize {
        let of_parent = parent.and_then(|parent| self.processes.get(parent));
        let depth = of_parent.map_or(0, |parent| parent.depth + 1);
        // Until it runs another program, it runs that of its parent.
        let names = of_parent.and_then(|parent| parent.names.last().cloned());
        let index = self.processes.len();
        self.processes.push(Process {
            pid,
            parent,
            depth,
            begin: time,
            end: None,
            names: names.into_iter().collect(),
            ending: None,
            threads: 0,
        });
        self.current.insert(pid, index);
        index
    }
}

impl Process {
    /// The name of the program that it ran last.
    pub fn name(&self) -> &str {
        self.names.last().map_or("?", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_have_their_parents_and_a_number_that_is_used_again_is_another_process() {
        let log = r#"{"event":"start","time":1.0,"version":1,"pid":1,"program":"/bin/sh","command":["sh"],"policy":"p"}
{"event":"exec","time":1.0,"pid":1,"ancestry":["sh"]}
{"event":"spawn","time":2.0,"pid":1,"child":2,"thread":false}
{"event":"spawn","time":2.1,"pid":1,"child":9,"thread":true}
{"event":"exec","time":2.5,"pid":2,"ancestry":["sh","cat"]}
{"event":"exit","time":3.0,"pid":2,"code":1,"signal":null}
{"event":"spawn","time":4.0,"pid":1,"child":2,"thread":false}
{"event":"spawn","time":5.0,"pid":2,"child":3,"thread":false}
{"event":"signal","time":6.0,"pid":77,"tid":77,"signal":{"name":"SIGTERM","number":15}}
"#;
        let journal = Journal::read(log.as_bytes()).expect("a log");
        let tree = Tree::new(&journal);
        let seen: Vec<_> = tree
            .processes
            .iter()
            .map(|it| (it.pid, it.parent, it.depth, it.name()))
            .collect();
        let expected = [
            (1, None, 0, "sh"),
            (2, Some(0), 1, "cat"),
            (2, Some(0), 1, "sh"),
            (3, Some(2), 2, "sh"),
            (77, None, 0, "?"),
        ];
        assert_eq!(seen, expected);
        assert_eq!(tree.order(), [0, 1, 2, 3, 4]);
        assert_eq!(tree.processes[0].threads, 1);
        assert_eq!(tree.processes[1].ending.as_deref(), Some("exited with 1"));
        assert_eq!(tree.of_entry.len(), journal.entries.len());
    }
}
