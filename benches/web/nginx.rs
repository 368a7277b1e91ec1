//! Two nginx servers of the bench's own: the target of small requests, and the TLS reverse proxy
//! beside which the gateway is measured.

use std::{fs, net::TcpListener, path::Path, process::Stdio, time::Duration};

use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::{
    Result,
    stage::{LOGIN, PASSWORD},
};

const STARTS_WITHIN: Duration = Duration::from_secs(10);

pub struct Nginx {
    pub port: u16,
    child: Child,
}

pub async fn version() -> String {
    let said = Command::new("/usr/sbin/nginx").arg("-v").output().await;
    let said = said.map(|output| String::from_utf8_lossy(&output.stderr).trim().to_owned());
    said.unwrap_or_default()
}

impl Nginx {
    /// Serves `/1k` from a file, behind Basic authentication.
    pub async fn target(folder: &Path) -> Result<Self> {
        let place = place(folder, "target")?;
        fs::write(place.join("1k"), [b'x'; 1024])?;
        fs::write(
            place.join("htpasswd"),
            format!("{LOGIN}:{{PLAIN}}{PASSWORD}\n"),
        )?;
        let server = |port| {
            format!(
                "sendfile on; tcp_nopush on; tcp_nodelay on;\n\
                 server {{ listen 127.0.0.1:{port}; root {place};\n\
                 auth_basic bench; auth_basic_user_file {place}/htpasswd; }}\n",
                place = place.display(),
            )
        };
        Self::start(&place, server).await
    }

    /// TLS before `small`, and below `/own/` before `large`; adds the password as the gateway
    /// does, keeps its connections, and puts nothing on the disk.
    pub async fn proxy(folder: &Path, small: u16, large: u16) -> Result<Self> {
        let place = place(folder, "proxy")?;
        let key = rcgen::KeyPair::generate()?;
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()])?;
        fs::write(place.join("cert.pem"), params.self_signed(&key)?.pem())?;
        fs::write(place.join("key.pem"), key.serialize_pem())?;
        let basic = crate::stage::basic();
        let server = |port| {
            format!(
                "upstream small {{ server 127.0.0.1:{small}; keepalive 128;\n\
                 keepalive_requests 100000000; }}\n\
                 upstream large {{ server 127.0.0.1:{large}; keepalive 128; }}\n\
                 proxy_http_version 1.1; proxy_set_header Connection \"\";\n\
                 proxy_set_header Authorization \"Basic {basic}\";\n\
                 proxy_set_header X-Forwarded-For $remote_addr;\n\
                 proxy_request_buffering off; proxy_max_temp_file_size 0;\n\
                 client_max_body_size 0; tcp_nodelay on;\n\
                 server {{ listen 127.0.0.1:{port} ssl;\n\
                 ssl_certificate {place}/cert.pem; ssl_certificate_key {place}/key.pem;\n\
                 location / {{ proxy_pass http://small; }}\n\
                 location /own/ {{ proxy_pass http://large; }} }}\n",
                place = place.display(),
            )
        };
        Self::start(&place, server).await
    }

    async fn start(place: &Path, server: impl Fn(u16) -> String) -> Result<Self> {
        // nginx takes no port 0. The port is free now; if it is not in a moment, nginx says so.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let here = place.display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {here}/{kind};\n"))
            .concat();
        let config = format!(
            "daemon off;\nworker_processes auto;\nworker_rlimit_nofile 16384;\npid {here}/pid;\n\
             error_log {here}/error.log;\nevents {{ worker_connections 4096; }}\n\
             http {{\n{temporary}access_log off; keepalive_requests 100000000;\n{}}}\n",
            server(port),
        );
        fs::write(place.join("nginx.conf"), config)?;
        let mut child = Command::new("/usr/sbin/nginx")
            .arg("-e")
            .arg(place.join("error.log"))
            .arg("-c")
            .arg(place.join("nginx.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let listens = async {
            // Written once the port is its own.
            while !place.join("pid").exists() {
                if child.try_wait()?.is_some() {
                    let said = fs::read_to_string(place.join("error.log")).unwrap_or_default();
                    return Err(crate::Error::from(format!("nginx did not start: {said}")));
                }
                sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        };
        timeout(STARTS_WITHIN, listens)
            .await
            .map_err(|_| "nginx did not start in time")??;
        Ok(Self { port, child })
    }

    pub async fn stop(&mut self) {
        // Its workers end with their master only when it is asked to.
        if let Some(pid) = self.child.id() {
            let asked = Command::new("kill").arg(pid.to_string()).status().await;
            if asked.is_ok_and(|status| status.success())
                && timeout(STARTS_WITHIN, self.child.wait()).await.is_ok()
            {
                return;
            }
        }
        // Already gone is as good.
        let _ = self.child.kill().await;
    }
}

fn place(folder: &Path, name: &str) -> Result<std::path::PathBuf> {
    let place = folder.join(name);
    fs::create_dir(&place)?;
    // Its workers may run as somebody else.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        for open in [folder, &place] {
            fs::set_permissions(open, fs::Permissions::from_mode(0o755))?;
        }
    }
    Ok(place)
}
