# A formula for Homebrew on Linux: `brew install --formula packaging/jail.rb --HEAD`. A release adds `url` and
# `sha256` of its archive of the sources.
class Jail < Formula
  desc "Run an untrusted command under a system call policy"
  license any_of: ["MIT", "Apache-2.0"]
  head "file://#{File.expand_path("..", __dir__)}", using: :git

  depends_on "rust" => :build
  depends_on :linux

  def install
    system "cargo", "install", *std_cargo_args
    system bin/"jail", "man", "--to", "man"
    man1.install Dir["man/*.1"]
    man5.install Dir["man/*.5"]
    generate_completions_from_executable(bin/"jail", "completions")
  end

  test do
    assert_match "jail #{version}", shell_output("#{bin}/jail --version") unless build.head?
    assert_match "[fs]", shell_output("#{bin}/jail presets base")
  end
end
