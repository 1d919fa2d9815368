//! What the commands work on: sources to compile, a repository, many files.

use crate::Result;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Forty C files with a header each, and a Makefile.
pub fn c_project(place: &Path) -> Result<()> {
    const COUNT: usize = 40;
    const FUNCTIONS: usize = 30;
    fs::create_dir(place)?;
    for i in 0..COUNT {
        let next = (i + 1) % COUNT;
        fs::write(
            place.join(format!("part{i}.h")),
            format!("int part{i}(int depth);\n"),
        )?;
        let mut text = format!(
            "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include \"part{next}.h\"\n#include \"part{i}.h\"\n"
        );
        for function in 0..FUNCTIONS {
            writeln!(
                text,
                "static int f{function}(int x) {{ char b[64]; snprintf(b, sizeof b, \"%d\", x * {}); return (int)strlen(b) + atoi(b) % {}; }}",
                function + i,
                function + 2
            )?;
        }
        let sum: Vec<String> = (0..FUNCTIONS)
            .map(|function| format!("f{function}(depth)"))
            .collect();
        writeln!(
            text,
            "int part{i}(int depth) {{ return depth ? part{next}(depth - 1) + {} : {i}; }}",
            sum.join(" + ")
        )?;
        fs::write(place.join(format!("part{i}.c")), text)?;
    }
    fs::write(
        place.join("main.c"),
        "#include <stdio.h>\n#include \"part0.h\"\nint main(void) { printf(\"%d\\n\", part0(100)); return 0; }\n",
    )?;
    let objects: Vec<String> = (0..COUNT).map(|i| format!("part{i}.o")).collect();
    let objects = objects.join(" ");
    fs::write(
        place.join("Makefile"),
        format!(
            "CFLAGS = -O1\nall: program\n\t./program > output.txt\nprogram: {objects} main.o\n\t$(CC) -o $@ $^\nclean:\n\trm -f *.o program output.txt\n"
        ),
    )?;
    Ok(())
}

/// Nothing.
pub fn empty(place: &Path) -> Result<()> {
    Ok(fs::create_dir(place)?)
}

/// Sixty commits on twenty files.
pub fn repository(place: &Path) -> Result<()> {
    fs::create_dir(place)?;
    let git = |arguments: &[&str]| -> Result<()> {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=a", "-c", "user.email=a@example.org"]);
        git.args(["-c", "gc.auto=0"]).args(arguments);
        succeed(git.current_dir(place).stdout(Stdio::null()))
    };
    git(&["init", "-q"])?;
    for i in 0..60 {
        let file = place.join(format!("file{}", i % 20));
        let mut text = fs::read_to_string(&file).unwrap_or_default();
        text += &format!("line {i}\n").repeat(i + 1);
        fs::write(file, text)?;
        git(&["add", "-A"])?;
        git(&["commit", "-qm", &format!("change {i}")])?;
    }
    Ok(())
}

/// An archive of twenty directories with twenty files each.
pub fn archive(place: &Path) -> Result<()> {
    let packed = place.join("packed");
    for directory in 0..20 {
        let directory = packed.join(format!("group{}/part{directory}", directory % 4));
        fs::create_dir_all(&directory)?;
        for file in 0..20 {
            fs::write(
                directory.join(format!("file{file}.c")),
                "int x;\n".repeat(file * 20),
            )?;
        }
    }
    let mut tar = Command::new("tar");
    tar.args(["-cf", "archive.tar", "-C", "packed", "."]);
    succeed(tar.current_dir(place))
}

/// A thousand directories, ten in each.
pub fn directories(place: &Path) -> Result<()> {
    for number in 0..1000 {
        let (first, second, third) = (number / 100, number / 10 % 10, number % 10);
        let directory = place.join(format!("a{first}/b{second}/c{third}"));
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("file.c"), "int x;\n")?;
    }
    Ok(())
}

/// This project, without what git and cargo keep there.
pub fn this_project(place: &Path) -> Result<()> {
    fs::create_dir(place)?;
    for entry in fs::read_dir(env!("CARGO_MANIFEST_DIR"))? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.to_string_lossy().starts_with('.') && name != "target" {
            copy(&entry.path(), &place.join(&name))?;
        }
    }
    Ok(())
}

/// This project as a workspace of its own, so that cargo looks for none in the directories above.
pub fn own_workspace(place: &Path) -> Result<()> {
    this_project(place)?;
    let manifest = place.join("Cargo.toml");
    let text = fs::read_to_string(&manifest)? + "\n[workspace]\n";
    Ok(fs::write(manifest, text)?)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.ends_with("fuzz/target") {
        return Ok(());
    }
    if from.is_dir() {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else {
        fs::copy(from, to)?;
    }
    Ok(())
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?}: {status}").into())
    }
}
