//! What commands share with the host and with one another: reached without a namespace, and out of
//! reach within. Each word alone, and all together.

use crate::scene::{ALL, How, Scene, tried};
use crate::support::{is_root, plain};
use std::os::linux::net::SocketAddrExt;

const NONE: &str = "";

/// Runs the script without any word, then with each of these lists: what it says.
#[track_caller]
fn tells(script: &str, without: &str, lists: &[&str], within: &str) {
    Scene::isolated(NONE).each(script, |ran, how| {
        assert!(
            ran.out.contains(without),
            "{how:?} without: {} {}",
            ran.out,
            ran.err
        );
    });
    for list in lists {
        Scene::isolated(list).each(script, |ran, how| {
            let said = ran.out.contains(within) && !ran.out.contains(without);
            assert!(said, "{how:?} {list}: {} {}", ran.out, ran.err);
        });
    }
}

#[test]
fn a_listener_of_the_host_is_not_reached_from_a_network_of_its_own() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let script = format!("./probe attack tcp {port}");
    tells(&script, "tcp done", &["\"net\"", ALL], "tcp ECONNREFUSED");
}

#[test]
fn an_abstract_socket_of_the_host_is_not_reached_from_a_network_of_its_own() {
    let name = crate::support::token();
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("an address");
    let _listener = std::os::unix::net::UnixListener::bind_addr(&address).expect("a listener");
    let script = format!("./probe attack abstract {name}");
    tells(
        &script,
        "abstract done",
        &["\"net\"", ALL],
        "abstract ECONNREFUSED",
    );
}

#[test]
fn a_network_of_its_own_has_a_loopback_and_sockets() {
    let script = "./probe attack own-tcp; rm -f open/s; ./probe attack own-abstract name open/s";
    for list in ["\"net\"", ALL] {
        Scene::isolated(list).says(
            script,
            "own-tcp done connected\nown-abstract done connected\n",
        );
    }
}

/// The supervisor makes connections in the command's name: in the command's network.
#[test]
fn net_still_holds_in_a_network_of_its_own() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    for list in ["\"net\"", ALL] {
        let policy = format!(
            "default = \"allow\"\n[net]\ndeny = [\"127.0.0.1:9\", \"unix:/nowhere\", \"unix:@other\"]\n[process]\nisolate = [{list}]\n"
        );
        let scene = Scene::new(&policy);
        let script = format!(
            "./probe attack tcp 9; ./probe attack tcp {port}; ./probe attack own-tcp; rm -f open/s; ./probe attack own-abstract name open/s; ./probe attack own-abstract other open/s; rm -f open/s; mkdir /tmp/m; test -e /tmp/m && ./probe attack own-abstract name2 /tmp/m/s && rm -r /tmp/m"
        );
        scene.says(
            &script,
            "tcp EACCES\ntcp ECONNREFUSED\nown-tcp done connected\nown-abstract done connected\nown-abstract EACCES\nown-abstract done connected\n",
        );
    }
}

#[test]
fn shared_memory_of_the_host_is_not_reached_from_an_ipc_namespace() {
    let made = plain(["ipcmk", "-M", "4096", "-p", "0666"])
        .output()
        .ends_with(0);
    let id = made
        .out
        .split_ascii_whitespace()
        .next_back()
        .expect("an id")
        .to_owned();
    let script = format!("./probe attack shm {id}");
    let result = std::panic::catch_unwind(|| {
        tells(&script, "shm done", &["\"ipc\"", ALL], "shm EINVAL");
    });
    plain(["ipcrm", "-m", &id]).output().ends_with(0);
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn each_word_makes_its_own_namespace_and_no_other() {
    const KINDS: [&str; 6] = ["user", "pid", "net", "ipc", "uts", "mnt"];
    let own = |kind: &str| {
        let link = std::fs::read_link(format!("/proc/self/ns/{kind}"));
        link.expect("a namespace").display().to_string()
    };
    for (word, kind) in [
        ("user", "user"),
        ("pid", "pid"),
        ("net", "net"),
        ("ipc", "ipc"),
        ("uts", "uts"),
        ("mount", "mnt"),
        ("read-only", "mnt"),
    ] {
        let scene = Scene::isolated(&format!("\"{word}\""));
        scene.each(
            "for k in user pid net ipc uts mnt; do readlink /proc/self/ns/$k; done",
            |ran, how| {
                let ran = ran.ends_with(0);
                let privileged = is_root() && !how.nobody;
                for (kind_here, link) in KINDS.iter().zip(ran.out.lines()) {
                    let new = *kind_here == kind || *kind_here == "user" && !privileged;
                    assert_eq!(
                        link != own(kind_here),
                        new,
                        "{word} {how:?} {kind_here}: {}",
                        ran.out
                    );
                }
            },
        );
    }
}

#[test]
fn the_command_is_the_user_that_it_was_and_has_no_capability() {
    for list in ["\"user\"", "\"net\"", ALL] {
        let scene = Scene::isolated(list);
        let script = "id -u; id -g; grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status | grep -v 0000000000000000; hostname; echo end";
        scene.each(script, |ran, how| {
            let user = match how.nobody {
                true => 65534,
                false => nix::unistd::geteuid().as_raw(),
            };
            let group = match how.nobody {
                true => 65534,
                false => nix::unistd::getegid().as_raw(),
            };
            let name = plain(["hostname"]).output().out;
            ran.ends_with(0)
                .says(&format!("{user}\n{group}\n{name}end\n"));
        });
    }
}

#[test]
fn nothing_can_be_mounted_unmounted_or_renamed() {
    let list = format!("{ALL}, \"read-only\"");
    for list in [ALL, &list] {
        let scene = Scene::isolated(list);
        let script = "for a in 'umount /tmp' 'umount /proc' 'umount /dev/shm' 'remount /' 'remount /usr' 'mount /tmp' sethostname 'unshare 0x10000000' 'unshare 0x20000'; do ./probe attack $a; done; ls /tmp | wc -l";
        scene.each(script, |ran, how| {
            assert!(!ran.out.contains("done"), "{how:?}: {}", ran.out);
            // The starting directory alone, if it is there.
            let last = ran.out.lines().next_back().unwrap_or_default();
            assert!(matches!(last, "0" | "1"), "{how:?}: {}", ran.out);
        });
    }
}

/// Of a program that is root: what it could do to the kernel is not its namespaces' to hold.
#[test]
fn another_user_works_with_namespaces_that_need_none_of_users() {
    if !is_root() {
        return println!("NOT TRIED HERE: only root can run a command as another user");
    }
    let scene = Scene::new(
        "default = \"allow\"\n[fs]\ndeny = [\"**/.env\"]\n[process]\nuser = \"65534:65534\"\nisolate = [\"pid\", \"net\", \"ipc\", \"uts\", \"mount\"]\n",
    );
    scene.dir.write(".env", "secret");
    for how in How::all().into_iter().filter(|how| !how.nobody) {
        let script = "id -u; echo $$; echo x >open/f; mv open/f open/g; cat open/g; rm open/g; echo y >/tmp/y; cat /tmp/y; cat .env; kill -9 1; readlink /proc/self; true";
        let run = scene.run(how, &["sh", "-c", script]);
        let ran = tried(run.output(), how).expect("root makes namespaces");
        let out = ran.ends_with(0).out;
        assert!(out.starts_with("65534\n2\nx\ny\n"), "{how:?}: {out}");
        assert!(!out.contains("secret"), "{how:?}: {out}");
    }
}
