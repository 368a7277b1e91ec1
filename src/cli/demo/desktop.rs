//! A desktop for the demo: FreeRDP's own server, on a screen without hardware.
//!
//! Shown where its programs are installed, and missed aloud where they are not. Listens on
//! loopback and takes one login with one random password; gone when it is dropped.

use std::{
    env, fmt, fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::Stdio,
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::{sleep, timeout},
};
use zeroize::Zeroizing;

use super::{folder::Folder, story::PATIENCE, target::LOGIN};
use crate::vault::entropy;

/// What it takes, and the packages of Debian that bring it.
const PROGRAMS: [(&str, &str); 4] = [
    ("Xvfb", "xvfb"),
    ("freerdp-shadow-cli", "freerdp2-shadow-x11"),
    ("winpr-hash", "winpr-utils"),
    ("xfreerdp", "freerdp2-x11"),
];

pub struct DemoDesktop {
    pub address: SocketAddr,
    /// Its key, to be pinned.
    pub pin: String,
    pub password: Zeroizing<String>,
    /// Where alice's client shows it, so that nobody's own screen is needed.
    pub display: String,
    /// Killed with this.
    _programs: [Child; 3],
}

/// Why there is none.
pub enum NoDesktop {
    Missing(Vec<&'static str>),
    NotStarted(io::Error),
}

impl DemoDesktop {
    pub async fn start(folder: &Folder) -> Result<Self, NoDesktop> {
        let missing = PROGRAMS.iter().filter(|(program, _)| !is_there(program));
        let missing: Vec<_> = missing.map(|(_, package)| *package).collect();
        if !missing.is_empty() {
            return Err(NoDesktop::Missing(missing));
        }
        let started = timeout(PATIENCE, Self::all(folder)).await;
        let late = |_| io::Error::other("it takes too long");
        started
            .map_err(late)
            .flatten()
            .map_err(NoDesktop::NotStarted)
    }

    async fn all(folder: &Folder) -> io::Result<Self> {
        let (shown, from) = screen().await?;
        let (seen, display) = screen().await?;
        let home = folder.at("desktop");
        fs::create_dir(&home)?;
        let password = data_encoding::BASE32_NOPAD.encode(&entropy::<20>());
        let password = Zeroizing::new(password);
        let mut hash = quiet("winpr-hash");
        hash.args(["-u", LOGIN, "-p", &password, "-f", "sam"]);
        let hash = hash.stdout(Stdio::piped()).output().await?;
        let known = folder.write("desktop.sam", &String::from_utf8_lossy(&hash.stdout))?;
        // Told away at once: the server takes no port of its own choice.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut server = quiet("freerdp-shadow-cli");
        let server = server
            .arg(format!("/port:{}", address.port()))
            .args(["/bind-address:127.0.0.1", "/sec:nla"])
            .arg(format!("/sam-file:{}", known.display()))
            .env("DISPLAY", from)
            .env("HOME", &home)
            .env_remove("XDG_CONFIG_HOME")
            .current_dir(&home)
            .spawn()?;
        // It writes its certificate before it listens.
        let certificate = home.join(".config/freerdp/shadow/shadow.crt");
        let pin = loop {
            match pin(&certificate) {
                Some(pin) => break pin,
                None => sleep(Duration::from_millis(50)).await,
            }
        };
        Ok(Self {
            address,
            pin,
            password,
            display,
            _programs: [shown, seen, server],
        })
    }
}

impl fmt::Display for NoDesktop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(packages) => {
                let packages = packages.join(" ");
                write!(
                    f,
                    "it takes what `apt-get install {packages}` brings on Debian"
                )
            }
            Self::NotStarted(error) => write!(f, "it did not start: {error}"),
        }
    }
}

fn is_there(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// An X server that shows its screen to nobody, and its name.
async fn screen() -> io::Result<(Child, String)> {
    let mut server = quiet("Xvfb");
    let mut server = server
        .args(["-displayfd", "1", "-screen", "0", "1024x768x24"])
        // A pattern and a pointer, so that there is something to see.
        .args(["-nolisten", "tcp", "-noreset", "-retro"])
        .stdout(Stdio::piped())
        .spawn()?;
    let Some(out) = server.stdout.take() else {
        return Err(io::Error::other("Xvfb has no output"));
    };
    let number = BufReader::new(out).lines().next_line().await?;
    let number = number.ok_or_else(|| io::Error::other("Xvfb ended at once"))?;
    Ok((server, format!(":{}", number.trim())))
}

fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
}

/// None until it is written.
fn pin(certificate: &Path) -> Option<String> {
    let der = CertificateDer::from_pem_file(certificate).ok()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).ok()?;
    let hash = digest(&SHA256, parsed.public_key().raw);
    Some(format!("sha256//{}", BASE64.encode(hash.as_ref())))
}
