//! `protect-credentials`: each file and socket that it names, with a home of the test's own.

use super::presets::Home;
use super::scene::{Scene, run};
use crate::support::landlock::lacks;
use crate::support::{Dir, JAIL, Ran, Run, example, jail, token};
use jail::internal::judge::Judge;
use jail::internal::plan::{Host, Plan};
use jail::internal::policy::{Action, Policy};
use std::collections::HashSet;
use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;

/// Files beneath the home directory that hold a secret, one for each entry at least.
const FILES: &[&str] = &[
    // Keys.
    ".ssh/id_ed25519",
    ".ssh/config",
    ".gnupg/private-keys-v1.d/0.key",
    ".pki/nssdb/key4.db",
    ".cert/nm-openvpn/key.pem",
    ".globus/userkey.pem",
    ".step/secrets/root_ca_key",
    ".tsh/keys/proxy/user",
    ".minisign/minisign.key",
    ".age/key.txt",
    ".config/age/keys.txt",
    ".config/sops/age/keys.txt",
    ".putty/sessions/host",
    ".config/putty/sessions/host",
    ".config/syncthing/key.pem",
    ".local/state/syncthing/key.pem",
    ".bitcoin/wallet.dat",
    ".ethereum/keystore/key",
    ".electrum/wallets/default_wallet",
    ".config/solana/id.json",
    // Passwords.
    ".password-store/mail.gpg",
    ".local/share/keyrings/login.keyring",
    ".local/share/kwalletd/kdewallet.kwl",
    ".config/gopass/config",
    ".local/share/gopass/stores/root/x.gpg",
    ".config/keepassxc/keepassxc.ini",
    ".config/1Password/settings/settings.json",
    ".1password/agent",
    ".config/op/config",
    ".op/config",
    ".config/Bitwarden/data.json",
    ".config/Bitwarden CLI/data.json",
    ".bitwarden-ssh-agent.sock",
    ".config/rbw/config.json",
    ".local/share/rbw/device_id",
    ".config/lpass/conf",
    ".local/share/lpass/blob",
    ".netrc",
    ".authinfo",
    ".authinfo.gpg",
    ".smbcredentials",
    ".vnc/passwd",
    ".config/tigervnc/passwd",
    ".config/remmina/remmina.pref",
    ".local/share/remmina/host.remmina",
    ".config/filezilla/sitemanager.xml",
    ".msmtprc",
    ".config/msmtp/config",
    ".mbsyncrc",
    ".fetchmailrc",
    ".offlineimaprc",
    ".vault_pass",
    ".pgpass",
    ".pg_service.conf",
    ".my.cnf",
    ".mylogin.cnf",
    ".config/pgcli/history",
    ".myclirc",
    ".local/share/DBeaverData/workspace6/credentials-config.json",
    ".snowsql/config",
    ".snowflake/connections.toml",
    // Clouds and clusters.
    ".aws/credentials",
    ".azure/msal_token_cache.json",
    ".config/gcloud/credentials.db",
    ".boto",
    ".s3cfg",
    ".s3ql/authinfo2",
    ".passwd-s3fs",
    ".mc/config.json",
    ".aliyun/config.json",
    ".bluemix/config.json",
    ".oci/config",
    ".databrickscfg",
    ".config/doctl/config.yaml",
    ".config/hcloud/cli.toml",
    ".config/linode-cli",
    ".config/scw/config.yaml",
    ".config/openstack/clouds.yaml",
    ".config/rclone/rclone.conf",
    ".rclone.conf",
    ".fly/config.yml",
    ".config/netlify/config.json",
    ".local/share/com.vercel.cli/auth.json",
    ".railway/config.json",
    ".wrangler/config/default.toml",
    ".config/.wrangler/config/default.toml",
    ".cloudflared/cert.pem",
    ".config/ngrok/ngrok.yml",
    ".ngrok2/ngrok.yml",
    ".config/configstore/firebase-tools.json",
    ".config/stripe/config.toml",
    ".sentryclirc",
    ".pulumi/credentials.json",
    ".terraform.d/credentials.tfrc.json",
    ".terraformrc",
    ".vault-token",
    ".kube/config",
    ".minikube/profiles/minikube/client.key",
    ".talos/config",
    ".config/argocd/config",
    ".config/helm/registry/config.json",
    // Forges.
    ".config/gh/hosts.yml",
    ".config/glab-cli/config.yml",
    ".config/hub",
    ".config/tea/config.yml",
    ".config/github-copilot/hosts.json",
    ".git-credentials",
    ".config/git/credentials",
    ".gitcookies",
    ".git-credential-cache/socket",
    ".cache/git/credential/socket",
    ".config/nix/nix.conf",
    ".subversion/auth/svn.simple/x",
    // Registries.
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    ".bunfig.toml",
    ".pypirc",
    ".pip/pip.conf",
    ".config/pip/pip.conf",
    ".config/pypoetry/auth.toml",
    ".config/uv/uv.toml",
    ".local/share/uv/credentials/credentials.toml",
    ".condarc",
    ".continuum/anaconda-client/tokens/x",
    ".gem/credentials",
    ".local/share/gem/credentials",
    ".bundle/config",
    ".composer/auth.json",
    ".config/composer/auth.json",
    ".nuget/NuGet/NuGet.Config",
    ".config/NuGet/NuGet.Config",
    ".m2/settings.xml",
    ".m2/settings-security.xml",
    ".gradle/gradle.properties",
    ".ivy2/.credentials",
    ".sbt/.credentials",
    ".conan/.conan.db",
    ".conan2/credentials.json",
    ".pub-cache/credentials.json",
    ".config/dart/pub-credentials.json",
    ".hex/hex.config",
    ".jfrog/jfrog-cli.conf.v6",
    ".docker/config.json",
    ".docker/contexts/tls/x/docker/key.pem",
    ".config/containers/auth.json",
    // Model providers.
    ".claude/.credentials.json",
    ".claude.json",
    ".claude.json.backup",
    ".config/claude/settings.json",
    ".config/Claude/config.json",
    ".codex/auth.json",
    ".gemini/oauth_creds.json",
    ".qwen/oauth_creds.json",
    ".cursor/mcp.json",
    ".config/cursor/auth.json",
    ".continue/config.yaml",
    ".config/goose/secrets.yaml",
    ".local/share/opencode/auth.json",
    ".aider.conf.yml",
    ".config/io.datasette.llm/keys.json",
    ".cache/huggingface/token",
    ".cache/huggingface/stored_tokens",
    ".huggingface/token",
    ".kaggle/kaggle.json",
    ".config/kaggle/kaggle.json",
    ".ollama/id_ed25519",
    ".modal.toml",
    // Histories.
    ".bash_history",
    ".zsh_history",
    ".zhistory",
    ".histfile",
    ".history",
    ".sh_history",
    ".local/share/fish/fish_history",
    ".local/share/atuin/history.db",
    ".config/nushell/history.txt",
    ".python_history",
    ".ipython/profile_default/history.sqlite",
    ".node_repl_history",
    ".irb_history",
    ".php_history",
    ".Rhistory",
    ".psql_history",
    ".mysql_history",
    ".mariadb_history",
    ".sqlite_history",
    ".rediscli_history",
    ".mongodb/mongosh/mongosh_repl_history",
    ".dbshell",
    ".gdb_history",
    ".lesshst",
    ".viminfo",
    ".local/state/nvim/shada/main.shada",
    ".local/share/nvim/shada/main.shada",
    // Keys to servers.
    ".emacs.d/server/server",
    ".gradle/daemon/8.0/registry.bin",
    ".local/share/jupyter/runtime/kernel-1.json",
    // Browsers, mail, messages.
    ".mozilla/firefox/x.default/logins.json",
    ".config/mozilla/firefox/x.default/logins.json",
    ".librewolf/x.default/logins.json",
    ".waterfox/x.default/logins.json",
    ".floorp/x.default/logins.json",
    ".zen/x.default/logins.json",
    ".config/chromium/Default/Cookies",
    ".config/google-chrome/Default/Login Data",
    ".config/google-chrome-beta/Default/Cookies",
    ".config/google-chrome-unstable/Default/Cookies",
    ".config/BraveSoftware/Brave-Browser/Default/Cookies",
    ".config/microsoft-edge/Default/Cookies",
    ".config/microsoft-edge-beta/Default/Cookies",
    ".config/microsoft-edge-dev/Default/Cookies",
    ".config/opera/Cookies",
    ".config/vivaldi/Default/Cookies",
    ".config/thorium/Default/Cookies",
    ".config/yandex-browser/Default/Cookies",
    ".local/share/epiphany/cookies.sqlite",
    ".local/share/qutebrowser/webengine/Cookies",
    ".local/share/falkon/profiles/default/browsedata.db",
    ".config/falkon/profiles/profiles.ini",
    ".local/share/torbrowser/tbb/x",
    ".var/app/org.mozilla.firefox/.mozilla/firefox/x/logins.json",
    "snap/firefox/common/.mozilla/firefox/x/logins.json",
    ".thunderbird/x.default/logins.json",
    ".config/evolution/sources/x.source",
    ".local/share/evolution/mail/x",
    ".local/share/geary/x",
    "Maildir/cur/1",
    ".mail/cur/1",
    ".config/Signal/config.json",
    ".config/Slack/Cookies",
    ".config/discord/Local Storage/x",
    ".config/Element/config.json",
    ".local/share/TelegramDesktop/tdata/key_datas",
    ".config/teams-for-linux/Cookies",
    ".config/WebCord/config.json",
    ".purple/accounts.xml",
    ".irssi/config",
    ".weechat/sec.conf",
    ".config/weechat/sec.conf",
    ".config/Code/User/globalStorage/state.vscdb",
    ".config/Cursor/User/globalStorage/state.vscdb",
    ".config/VSCodium/User/globalStorage/state.vscdb",
    ".config/JetBrains/IdeaIC/c.kdbx",
    ".Xauthority",
    ".ICEauthority",
    ".config/pulse/cookie",
    ".pulse-cookie",
];

/// Variables that move such files elsewhere, and a file beneath the place `x` that each is set to.
const MOVED: &[(&str, &str)] = &[
    ("GNUPGHOME", "x/private-keys-v1.d/0.key"),
    ("SOPS_AGE_KEY_FILE", "x"),
    ("PASSWORD_STORE_DIR", "x/mail.gpg"),
    ("NETRC", "x"),
    ("PGPASSFILE", "x"),
    ("AWS_SHARED_CREDENTIALS_FILE", "x"),
    ("AWS_CONFIG_FILE", "x"),
    ("AZURE_CONFIG_DIR", "x/msal_token_cache.json"),
    ("CLOUDSDK_CONFIG", "x/credentials.db"),
    ("GOOGLE_APPLICATION_CREDENTIALS", "x"),
    ("RCLONE_CONFIG", "x"),
    ("KUBECONFIG", "x"),
    ("GH_CONFIG_DIR", "x/hosts.yml"),
    ("GLAB_CONFIG_DIR", "x/config.yml"),
    ("CARGO_HOME", "x/credentials"),
    ("CARGO_HOME", "x/credentials.toml"),
    ("NPM_CONFIG_USERCONFIG", "x"),
    ("PIP_CONFIG_FILE", "x"),
    ("COMPOSER_HOME", "x/auth.json"),
    ("DOCKER_CONFIG", "x/config.json"),
    ("REGISTRY_AUTH_FILE", "x"),
    ("CLAUDE_CONFIG_DIR", "x/.credentials.json"),
    ("CODEX_HOME", "x/auth.json"),
    ("HF_HOME", "x/token"),
    ("HISTFILE", "x"),
    ("XAUTHORITY", "x"),
    ("XDG_CONFIG_HOME", "x/gh/hosts.yml"),
    ("XDG_CONFIG_HOME", "x/sops/age/keys.txt"),
    ("XDG_CONFIG_HOME", "x/google-chrome-beta/Default/Cookies"),
    ("XDG_CONFIG_HOME", "x/git/credentials"),
    ("XDG_DATA_HOME", "x/keyrings/login.keyring"),
    ("XDG_DATA_HOME", "x/uv/credentials/credentials.toml"),
    ("XDG_STATE_HOME", "x/nvim/shada/main.shada"),
    ("XDG_CACHE_HOME", "x/huggingface/token"),
    ("XDG_CACHE_HOME", "x/huggingface/stored_tokens"),
    ("XDG_CACHE_HOME", "x/git/credential/socket"),
];

/// Reads each file, and says which could be read.
fn read_all<'f>(files: impl Iterator<Item = &'f str>) -> String {
    let mut script = String::new();
    for file in files {
        script +=
            &format!("[ \"$(cat \"$HOME/{file}\" 2> /dev/null)\" != secret ] || echo \"{file}\"\n");
    }
    script + "true\n"
}

/// What a policy that opens the whole home says besides.
const OPEN: &str = "[fs]\nread = [\"~\"]\nexec = [\"~\"]\n";

fn open_home(scene: &Scene, extends: &str) -> String {
    scene.policy_file("home.toml", &format!("extends = [{extends}]\n{OPEN}"))
}

#[test]
fn no_file_with_a_secret_can_be_read() {
    let (scene, home) = (Scene::new(), Home::new());
    for file in FILES {
        home.write(file, "secret");
    }
    let script = read_all(FILES.iter().copied());
    let bare = open_home(&scene, "\"base\"");
    let all = run(home.within(None, &bare, &script)).ends_with(0);
    let read: Vec<&str> = all.out.lines().collect();
    assert_eq!(read, FILES, "each can be read without the preset");
    let open = open_home(&scene, "\"base\", \"protect-credentials\"");
    for policy in [open.as_str(), "workspace", "build"] {
        run(home.within(None, policy, &script))
            .ends_with(0)
            .says("");
    }
    // Landlock alone keeps the two presets from them: they cost no stop.
    for preset in ["workspace", "build"] {
        if lacks(None) {
            break;
        }
        let explained =
            run(home.at(jail(["explain", "--all", preset]).env("COLUMNS", "100000"))).ends_with(0);
        let line = |line: &&str| line.contains("fs.deny") && line.contains("supervisor");
        let stops: Vec<&str> = explained.out.lines().filter(line).collect();
        assert!(stops.is_empty(), "{preset}: {stops:?}");
    }
}

#[test]
fn secrets_that_a_variable_has_moved_cannot_be_read() {
    let (scene, home) = (Scene::new(), Home::new());
    for (variable, file) in MOVED {
        let place = format!("moved-{variable}");
        let file = file.replacen('x', &place, 1);
        home.write(&file, "secret");
        let script = read_all([file.as_str()].into_iter());
        for (extends, says) in [
            ("\"base\"", format!("{file}\n")),
            ("\"base\", \"protect-credentials\"", String::new()),
        ] {
            let policy = open_home(&scene, extends);
            let ran = run(home
                .within(None, &policy, &script)
                .env(variable, home.path().join(&place)));
            ran.ends_with(0).says(&says);
        }
    }
}

/// The table above has a file for each entry: a new one is tried, too.
#[test]
fn every_entry_about_the_home_is_tried() {
    let preset = include_str!("../../policies/protect-credentials.toml");
    let named: HashSet<&str> = preset
        .split('"')
        .filter_map(|text| text.strip_prefix("~/"))
        .collect();
    assert!(named.len() > 200, "{}", named.len());
    for name in named {
        let tried = FILES.iter().any(|file| Path::new(file).starts_with(name));
        assert!(tried, "~/{name} is not tried");
    }
    let variables = preset.split('"').filter_map(|text| text.strip_prefix('$'));
    for text in variables {
        let name = text.split('/').next().expect("a name");
        let tried = MOVED.iter().any(|(variable, _)| *variable == name);
        assert!(tried, "${name} is not tried");
    }
}

/// Sockets beneath the home directory. Some lie in what `[fs]` denies.
const IN_HOME: &[&str] = &[
    ".ssh/cm-host",
    ".ssh/sockets/host",
    ".ssh/agent/s.1",
    ".gnupg/S.gpg-agent",
    ".1password/agent.sock",
    ".docker/run/docker.sock",
    ".docker/desktop/docker.sock",
    ".colima/default/docker.sock",
    ".config/colima/default/docker.sock",
    ".lima/default/sock/docker.sock",
    ".rd/docker.sock",
    ".local/share/containers/podman/machine/podman.sock",
    ".cache/libvirt/libvirt-sock",
    ".config/libvirt/qemu/lib/domain-1/monitor.sock",
    ".pm2/rpc.sock",
    ".local/share/pueue/pueue_u.socket",
    ".cache/ibus/dbus-1",
    ".cache/at-spi/bus_0",
    ".screen/1.pts",
    ".local/share/wezterm/sock",
    ".abduco/x",
    ".vscode-server/x.sock",
    ".cursor-server/x.sock",
    ".local/state/watchman/u-state/sock",
    ".cache/qtile/qtilesocket.:0",
    ".cache/git/credential/socket",
    ".var/app/org.x/s",
    "snap/x/s",
];

/// Sockets in the session's directory.
const IN_RUNTIME: &[&str] = &[
    "bus",
    "wayland-0",
    "pipewire-0",
    "pulse/native",
    "systemd/private",
    "gnupg/S.gpg-agent",
    "keyring/ssh",
    "docker.sock",
    "podman/podman.sock",
    "containerd-rootless/api.sock",
    "buildkit/buildkitd.sock",
    "libvirt/libvirt-sock",
    "emacs/server",
    "nvim.1.0",
    "zellij/0.40/s",
    "wezterm/gui-sock-1",
    "kitty-1",
    "tmux-0/default",
    "vscode-ipc-1.sock",
    "sway-ipc.0.1.sock",
    "hypr/x/.socket.sock",
];

/// Sockets in /tmp; `@` makes the name the test's own.
const IN_TMP: &[&str] = &[
    "tmux-@/default",
    "zellij-@/s",
    "kitty@",
    "mykitty@",
    "emacs@/server",
    "nvim.@/0/nvim.1.0",
    "kakoune@",
    "vscode-ipc-@.sock",
    "vscode-git-@.sock",
    "@-state/sock",
    "dbus-@",
    "ssh-@/agent.1",
    "ssh-@/cm-host",
    "pulse-@/native",
    "i3-@/ipc-socket.1",
    "keyring-@/ssh",
    "org.keepassxc@",
    "socket-ts.@",
    "process-compose-@.sock",
];

/// Abstract sockets.
const ABSTRACT: &[&str] = &[
    "/tmp/dbus-@",
    "/tmp/.X11-unix/X@",
    "/tmp/.ICE-unix/@",
    "/containerd-shim/@.sock",
    "kitty@",
    "mykitty-@",
    "/home/u/.cache/ibus/dbus-@",
];

/// Sockets at places that the variable names; `%` is the directory.
const BY_VARIABLE: &[(&str, &str, &str)] = &[
    ("SSH_AUTH_SOCK", "%/agent", "agent"),
    ("TMUX_TMPDIR", "%", "tmux-0/default"),
    ("SCREENDIR", "%/screens", "screens/1.pts"),
    ("ZELLIJ_SOCKET_DIR", "%/zellij", "zellij/0.40/s"),
    ("WEZTERM_UNIX_SOCKET", "%/wezterm", "wezterm"),
    ("NVIM", "%/nvim", "nvim"),
    ("NVIM_LISTEN_ADDRESS", "%/listen", "listen"),
    ("VSCODE_IPC_HOOK_CLI", "%/code", "code"),
    ("VSCODE_GIT_IPC_HANDLE", "%/git", "git"),
    ("WATCHMAN_SOCK", "%/watchman", "watchman"),
    ("I3SOCK", "%/i3", "i3"),
    ("SWAYSOCK", "%/sway", "sway"),
];

/// A socket that somebody listens on; what is connected is closed at once.
fn serve(listener: UnixListener) {
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            drop(connection);
        }
    });
}

fn listen(path: &Path) {
    fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    serve(UnixListener::bind(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
}

/// Which of these endpoints could be connected to.
fn connected(
    policy: &str,
    directory: &Path,
    endpoints: &[String],
    variables: &[(String, String)],
) -> Vec<String> {
    let net = example("net");
    let script = "net=$1; shift; for to; do case $(\"$net\" connect-stream \"$to\" - x) in ok | lost | *EPIPE* | *ECONNRESET*) echo \"$to\" ;; esac; done";
    let words = [
        "--policy", policy, "--", "/bin/sh", "-c", script, "sh", &net,
    ];
    let mut command = jail(words)
        .args(endpoints)
        .cwd(directory)
        .env("HOME", directory);
    command = command.env("XDG_RUNTIME_DIR", directory.join("run"));
    for (name, value) in variables {
        command = command.env(name, value);
    }
    let ran: Ran = run(command).ends_with(0);
    ran.out.lines().map(str::to_owned).collect()
}

#[test]
fn no_socket_that_takes_orders_can_be_connected_to() {
    let own = token();
    let scene = Scene::new();
    let home = Dir::new();
    let mut endpoints = Vec::new();
    let mut made = Vec::new();
    let directories = [
        (IN_HOME, home.path().to_owned()),
        (IN_RUNTIME, home.path().join("run")),
    ];
    for (names, directory) in directories {
        for name in names {
            let path = directory.join(name);
            listen(&path);
            endpoints.push(format!("unix:{}", path.display()));
        }
    }
    for name in IN_TMP {
        let name = name.replace('@', &own);
        let path = Path::new("/tmp").join(&name);
        listen(&path);
        made.push(Path::new("/tmp").join(name.split('/').next().expect("a name")));
        endpoints.push(format!("unix:{}", path.display()));
    }
    for name in ABSTRACT {
        let name = name.replace('@', &own);
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        serve(UnixListener::bind_addr(&address).expect("an abstract socket"));
        endpoints.push(format!("unix:@{name}"));
    }
    let mut variables = Vec::new();
    let directory = home.path().join("by-variable");
    for (variable, value, socket) in BY_VARIABLE {
        let path = directory.join(socket);
        listen(&path);
        endpoints.push(format!("unix:{}", path.display()));
        let value = value.replace('%', &directory.display().to_string());
        variables.push(((*variable).to_owned(), value));
    }
    // One that no entry is about stays open.
    let other = home.path().join("other");
    listen(&other);
    let other = format!("unix:{}", other.display());
    endpoints.push(other.clone());
    let examples = Path::new(JAIL).with_file_name("examples");
    let policy = |name: &str, extends: &str| {
        let text = format!(
            "extends = [{extends}]\n[fs]\nread = [\"/\"]\nexec = [\"/usr\", \"/bin\", {examples:?}]\n[net]\nconnect = [\"unix:*\"]\n",
        );
        scene.policy_file(name, &text)
    };
    let bare = policy("bare.toml", "\"base\"");
    let closed = policy("closed.toml", "\"base\", \"protect-credentials\"");
    let without = connected(&bare, home.path(), &endpoints, &variables);
    let within = connected(&closed, home.path(), &endpoints, &variables);
    for path in made {
        let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
    }
    assert_eq!(
        without, endpoints,
        "each can be connected to without the preset"
    );
    assert_eq!(within, [other]);
}

/// The system's own sockets are nothing that a test makes: what the policy says of them.
#[test]
fn no_socket_of_the_system_that_takes_orders_is_open() {
    let text = "extends = [\"base\", \"protect-credentials\"]\n[net]\nconnect = [\"unix:*\"]\n";
    let policy = Policy::parse(text, "open.toml").unwrap_or_else(|problems| panic!("{problems}"));
    let plan = Plan::new(&policy, &Host::newest()).unwrap_or_else(|error| panic!("{error}"));
    let judge: Judge = plan.judge;
    let decide = |path: &str| {
        let text = format!("[[test]]\nallow = [\"connect unix:{path}\"]\n");
        let policy =
            Policy::parse(&text, "test.toml").unwrap_or_else(|problems| panic!("{problems}"));
        judge.about(&policy.tests[0].about).action
    };
    for path in [
        "/run/docker.sock",
        "/var/run/docker.sock",
        "/run/podman/podman.sock",
        "/run/containerd/containerd.sock",
        "/run/k3s/containerd/containerd.sock",
        "/run/crio/crio.sock",
        "/run/cri-dockerd.sock",
        "/run/buildkit/buildkitd.sock",
        "/run/incus/unix.socket",
        "/var/lib/incus/unix.socket",
        "/var/lib/lxd/unix.socket",
        "/var/snap/lxd/common/lxd/unix.socket",
        "/run/libvirt/libvirt-sock",
        "/var/snap/multipass/common/multipass_socket",
        "/run/multipass_socket",
        "/run/systemd/private",
        "/run/systemd/io.systemd.Manager",
        "/run/systemd/machine/io.systemd.Machine",
        "/run/snapd.socket",
        "/run/snapd-snap.socket",
        "/run/supervisor.sock",
        "/tmp/supervisor.sock",
        "/nix/var/nix/daemon-socket/socket",
        "/var/guix/daemon-socket/socket",
        "/run/dbus/system_bus_socket",
        "/run/screen/S-u/1.pts",
        "/tmp/abduco/u/x",
        "/usr/local/var/run/watchman/u-state/sock",
        "/run/watchman/u-state/sock",
        "/tmp/.X11-unix/X0",
        "/tmp/.ICE-unix/1",
        "/tmp/hypr/x/.socket.sock",
        "/run/pulse/native",
        "/run/pcscd/pcscd.comm",
        "/run/.heim_org.h5l.kcm-socket",
        "/var/lib/gssproxy/default.sock",
        "/run/tailscale/tailscaled.sock",
        "/run/user/1000/bus",
        "/run/user/1000/podman/podman.sock",
        "/run/user/1000/pipewire-0",
    ] {
        assert!(matches!(decide(path), Action::Deny(_)), "{path}");
    }
    for path in [
        "/run/postgresql/.s.PGSQL.5432",
        "/run/app.sock",
        "/run/systemd/resolve/io.systemd.Resolve",
    ] {
        assert_eq!(decide(path), Action::Allow, "{path}");
    }
}

/// Builds outside of a jail execute what is in these.
const CACHES: &[&str] = &[
    ".cargo/registry/src",
    ".cargo/registry/cache",
    ".cargo/git/checkouts",
    "go/pkg/mod",
    ".npm/_npx",
    ".npm/_cacache",
    ".m2/repository",
    ".gradle/caches",
    ".cache/sccache",
    ".cache/ccache",
    ".cache/go-build",
    ".cache/pip",
    ".cache/node",
    ".cache/yarn",
    ".cache/deno",
    ".cache/pnpm",
    ".cache/pypoetry",
    ".cache/uv",
    ".local/share/pnpm",
    ".local/share/uv/tools",
];

#[test]
fn a_build_plants_nothing_in_a_cache_that_others_trust() {
    let (home, mut script) = (Home::new(), String::new());
    for cache in CACHES {
        home.write(&format!("{cache}/there"), "code");
        let each = "{ echo evil > ~/@/new; } 2> /dev/null || { echo evil >> ~/@/there; } 2> /dev/null \
            || mv ~/@ ~/@.x 2> /dev/null || [ \"$(cat ~/@/there)\" != code ] && echo @\n";
        script += &each.replace('@', cache);
    }
    script += "for own in \"$GOCACHE\" \"$npm_config_cache\" \"$PIP_CACHE_DIR\" \"$CCACHE_DIR\" \
        \"$UV_CACHE_DIR\" \"$DENO_DIR\" \"$POETRY_CACHE_DIR\" \"$PNPM_HOME\"; do \
        mkdir -p \"$own\" && echo x > \"$own/x\" || exit 1; done\n";
    run(home.within(None, "build", &script))
        .ends_with(0)
        .says("");
    for cache in CACHES {
        let there = fs::read_to_string(home.path().join(cache).join("there"));
        assert_eq!(there.expect("a file"), "code", "{cache}");
    }
}

/// Where a variable tells a tool where its home is, `build` opens what lies there as it opens the usual place,
/// and no more.
#[test]
fn a_build_finds_the_homes_that_variables_name() {
    let home = Home::new();
    let open = [
        ("CARGO_HOME", "elsewhere/cargo", "registry/src/crate"),
        ("CARGO_HOME", "elsewhere/cargo", "config.toml"),
        ("RUSTUP_HOME", "elsewhere/rustup", "toolchains/stable"),
        ("XDG_CACHE_HOME", "elsewhere/cache", "uv/wheel"),
        ("XDG_DATA_HOME", "elsewhere/data", "pnpm/store"),
        ("GOPATH", "elsewhere/go", "pkg/mod/module"),
        ("PYENV_ROOT", "elsewhere/pyenv", "versions/3"),
    ];
    let shut = [
        ("CARGO_HOME", "elsewhere/cargo", "credentials.toml"),
        ("XDG_CACHE_HOME", "elsewhere/cache", "mozilla/page"),
        ("XDG_DATA_HOME", "elsewhere/data", "uv/credentials/token"),
        ("GOPATH", "elsewhere/go", "other"),
    ];
    let mut script = String::new();
    for (variable, place, file) in open.iter().chain(&shut) {
        home.write(&format!("{place}/{file}"), "content");
        script +=
            &format!("cat \"${variable}/{file}\" > /dev/null 2>&1 && echo {variable}/{file}\n");
        script +=
            &format!("echo x >> \"${variable}/{file}\" 2> /dev/null && echo changed {file}\n");
    }
    script += "true\n";
    let named = |mut run: Run| {
        for (variable, place, _) in &open {
            run = run.env(variable, home.path().join(place));
        }
        run
    };
    let jailed = named(home.within(None, "build", &script));
    // Landlock alone holds them: opens do not stop.
    if !lacks(None) {
        let explained = run(named(
            home.at(jail(["explain", "--all", "build"]).env("COLUMNS", "100000")),
        ))
        .ends_with(0);
        let stops = |line: &&str| line.contains("fs.deny") && line.contains("supervisor");
        assert_eq!(explained.out.lines().find(stops), None);
    }
    let said: String = open
        .iter()
        .map(|(variable, _, file)| format!("{variable}/{file}\n"))
        .collect();
    run(jailed).ends_with(0).says(&said);
}
