{
  description = "Run an untrusted command under a policy: seccomp, Landlock and ptrace, no privileges needed";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" ];
      each = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
    in {
      packages = each (pkgs: {
        default = pkgs.rustPlatform.buildRustPackage {
          pname = "jail";
          version = (builtins.fromTOML (builtins.readFile ../Cargo.toml)).package.version;
          src = pkgs.lib.cleanSource ./..;
          cargoLock.lockFile = ../Cargo.lock;
          # The tests run commands of the host in jails, which the build sandbox does not allow.
          doCheck = false;
          nativeBuildInputs = [ pkgs.installShellFiles ];
          postInstall = ''
            $out/bin/jail man --to man
            installManPage man/*
            for shell in bash zsh fish; do
              $out/bin/jail completions $shell > jail.$shell
            done
            installShellCompletion jail.bash jail.zsh jail.fish
          '';
          meta = {
            description = "Run an untrusted command under a system call policy";
            license = with pkgs.lib.licenses; [ mit asl20 ];
            mainProgram = "jail";
            platforms = systems;
          };
        };
      });
    };
}
