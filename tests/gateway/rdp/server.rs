//! RDP servers of other people's making: FreeRDP's, which shows a screen by NLA, and xrdp, which
//! takes login and password in TLS and opens a screen behind VNC with them.

use std::{path::Path, process::Stdio};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::screen::Screen;
use crate::{seen::seen, sshd::free_port, support::PATIENCE};

/// The account at the target, and its password, which nobody but the gateway may have.
pub const LOGIN: &str = "svc_admin";
pub const SECRET: &str = "T4rget-Secret-nobody-sees";

/// The same for xrdp: VNC takes eight letters.
pub const SHORT_SECRET: &str = "V9x!q3Lm";

pub struct Shadow {
    /// Killed with this.
    _server: Child,
    _home: TempDir,
    /// What it shows; gone with this.
    _screen: Screen,
    pub port: u16,
    /// What it proves.
    pub pin: String,
}

impl Shadow {
    pub async fn start() -> Self {
        let screen = Screen::start().await;
        screen.paint();
        let home = tempfile::tempdir().unwrap();
        let sam = home.path().join("sam");
        let mut hash = Command::new("winpr-hash");
        hash.args(["-u", LOGIN, "-p", SECRET, "-f", "sam"]);
        std::fs::write(&sam, seen(hash).await.well().stdout).unwrap();
        let port = free_port().await;
        let log = std::fs::File::create(home.path().join("log")).unwrap();
        let server = Command::new("freerdp-shadow-cli")
            .arg(format!("/port:{port}"))
            .args(["/bind-address:127.0.0.1", "/sec:nla"])
            .arg(format!("/sam-file:{}", sam.display()))
            .env("DISPLAY", &screen.display)
            .env("HOME", home.path())
            .env_remove("XDG_CONFIG_HOME")
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("freerdp-shadow-cli is installed");
        listening(port, &home.path().join("log")).await;
        let folder = home.path().join(".config/freerdp/shadow");
        let pin = pin_of(&folder.join("shadow.crt"));
        Self {
            _server: server,
            _home: home,
            _screen: screen,
            port,
            pin,
        }
    }
}

pub struct Xrdp {
    /// Killed with this.
    _servers: [Child; 2],
    _home: TempDir,
    /// What it shows; gone with this.
    pub screen: Screen,
    pub port: u16,
    pub pin: String,
}

impl Xrdp {
    pub async fn start() -> Self {
        let screen = Screen::start().await;
        screen.paint();
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let params = rcgen::CertificateParams::new(["xrdp1".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(at("cert.pem"), certificate.pem()).unwrap();
        std::fs::write(at("key.pem"), key.serialize_pem()).unwrap();
        let (port, behind) = (free_port().await, free_port().await);
        let log = std::fs::File::create(at("vnc.log")).unwrap();
        let vnc = Command::new("x11vnc")
            .args(["-display", &screen.display, "-rfbport", &behind.to_string()])
            .args([
                "-localhost",
                "-no6",
                "-forever",
                "-shared",
                "-noshm",
                "-noxdamage",
            ])
            .args(["-passwd", SHORT_SECRET])
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("x11vnc is installed");
        listening(behind, &at("vnc.log")).await;
        let (certificate, key, log) = (at("cert.pem"), at("key.pem"), at("xrdp.log"));
        let config = format!(
            "[Globals]\nini_version=1\nfork=false\nport=tcp://127.0.0.1:{port}\n\
             security_layer=tls\ncertificate={}\nkey_file={}\n\
             ssl_protocols=TLSv1.2, TLSv1.3\nautorun=vnc\nallow_channels=true\nmax_bpp=32\n\
             [Logging]\nLogFile={}\nLogLevel=INFO\nEnableSyslog=false\nEnableConsole=true\n\
             ConsoleLevel=INFO\n\
             [Channels]\nrdpsnd=true\n\
             [vnc]\nname=vnc\nlib=libvnc.so\nip=127.0.0.1\nport={behind}\n\
             username=ask\npassword=ask\n",
            certificate.display(),
            key.display(),
            log.display(),
        );
        std::fs::write(at("xrdp.ini"), config).unwrap();
        let log = std::fs::File::create(at("out")).unwrap();
        let xrdp = Command::new("xrdp")
            .args(["-n", "-c"])
            .arg(at("xrdp.ini"))
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("xrdp is installed");
        listening(port, &at("out")).await;
        Self {
            _servers: [vnc, xrdp],
            pin: pin_of(&at("cert.pem")),
            _home: home,
            screen,
            port,
        }
    }
}

async fn listening(port: u16, log: &Path) {
    let listening = async {
        while !listens(port) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let listens = tokio::time::timeout(PATIENCE, listening).await;
    let told = || std::fs::read_to_string(log).unwrap_or_default();
    assert!(listens.is_ok(), "a server did not start:\n{}", told());
}

/// Whether somebody listens there, without connecting: the server would take that for a client.
fn listens(port: u16) -> bool {
    let wanted = format!(":{port:04X} ");
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .any(|table| {
            let table = std::fs::read_to_string(table).unwrap_or_default();
            let is_it = |line: &str| {
                let mut words = line.split_whitespace().skip(1);
                let local = words.next().unwrap_or_default();
                let state = words.nth(1).unwrap_or_default();
                state == "0A" && format!("{local} ").ends_with(&wanted)
            };
            table.lines().any(is_it)
        })
}

fn pin_of(certificate: &Path) -> String {
    let der = CertificateDer::from_pem_file(certificate).expect("it has written its certificate");
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
    let hash = digest(&SHA256, parsed.public_key().raw);
    format!("sha256//{}", BASE64.encode(hash.as_ref()))
}
