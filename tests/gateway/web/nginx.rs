//! A real nginx of the test's own: loopback, free port, Basic authentication, uploads.

use std::{path::PathBuf, process::Stdio, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use crate::sshd::free_port;

pub const SECRET: &str = "lizard-Wednesday-Quartz-41";

/// As an account holds it.
pub fn secret() -> Value {
    json!({ "kind": "password", "value": SECRET })
}

/// How the secret goes over the wire.
pub fn basic() -> String {
    STANDARD.encode(format!("ops:{SECRET}"))
}

pub struct Nginx {
    pub port: u16,
    pub dir: TempDir,
    _child: Child,
}

impl Nginx {
    /// This server as a target.
    pub fn target(&self, name: &str) -> Value {
        json!({
            "name": name,
            "address": format!("127.0.0.1:{}", self.port),
            "web": { "tls": false, "sign_in": { "by": "basic" } },
        })
    }

    pub async fn start() -> Self {
        // Somebody else may take the free port before nginx does: then another one is tried.
        for _ in 0..10 {
            if let Some(nginx) = Self::try_start(None).await {
                return nginx;
            }
        }
        panic!("nginx found no port to listen on");
    }

    /// The same with TLS and HTTP/2, by this certificate and key.
    pub async fn start_with_tls(certificate: &str, key: &str) -> Self {
        for _ in 0..10 {
            if let Some(nginx) = Self::try_start(Some((certificate, key, ""))).await {
                return nginx;
            }
        }
        panic!("nginx found no port to listen on");
    }

    /// The same for those who show a certificate of this authority, and without a password.
    pub async fn start_with_client_certificates(
        certificate: &str,
        key: &str,
        authority: &str,
    ) -> Self {
        for _ in 0..10 {
            if let Some(nginx) = Self::try_start(Some((certificate, key, authority))).await {
                return nginx;
            }
        }
        panic!("nginx found no port to listen on");
    }

    async fn try_start(tls: Option<(&str, &str, &str)>) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| -> PathBuf { dir.path().join(name) };
        for folder in ["www", "www/upload", "tmp"] {
            std::fs::create_dir(at(folder)).unwrap();
        }
        std::fs::write(at("htpasswd"), format!("ops:{{PLAIN}}{SECRET}\n")).unwrap();
        std::fs::write(at("www/hello.txt"), "hello from the wiki\n").unwrap();
        std::fs::write(at("www/index.html"), "<h1>the wiki</h1>\n").unwrap();
        let port = free_port().await;
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {}/tmp/{kind};\n", dir.path().display()))
            .concat();
        let listen = match tls {
            None => format!("listen 127.0.0.1:{port}; auth_basic wiki;"),
            Some((certificate, key, authority)) => {
                std::fs::write(at("cert.pem"), certificate).unwrap();
                std::fs::write(at("key.pem"), key).unwrap();
                let here = dir.path().display();
                let verify = match authority {
                    "" => "auth_basic wiki;".to_owned(),
                    authority => {
                        std::fs::write(at("ca.pem"), authority).unwrap();
                        format!("ssl_verify_client on; ssl_client_certificate {here}/ca.pem;")
                    }
                };
                format!(
                    "listen 127.0.0.1:{port} ssl http2;\n\
                     ssl_certificate {here}/cert.pem;\nssl_certificate_key {here}/key.pem;\n\
                     {verify}"
                )
            }
        };
        let config = format!(
            "daemon off;\nmaster_process off;\npid {here}/pid;\nerror_log {here}/error.log;\n\
             events {{ worker_connections 256; }}\n\
             http {{\n{temporary}\
             log_format seen '$remote_user $request_method $request_uri $status '\n\
             'host=$http_host for=$http_x_forwarded_for proto=$http_x_forwarded_proto '\n\
             'user=$http_x_forwarded_user token=$http_doorward_token origin=$http_origin '\n\
             'id=$http_x_request_id shown=$ssl_client_s_dn cookie=$http_cookie';\n\
             access_log {here}/access.log seen;\n\
             client_max_body_size 0;\ntypes {{ text/html html; text/plain txt; }}\n\
             default_type application/octet-stream;\n\
             server {{\n{listen}\n\
             auth_basic_user_file {here}/htpasswd;\n\
             root {here}/www;\n\
             location = /status {{ auth_basic off; stub_status; }}\n\
             location /upload/ {{ dav_methods PUT; }}\n\
             location /slow/ {{ alias {here}/www/; limit_rate 200k; }}\n\
             location /packed/ {{ alias {here}/www/; gzip on; gzip_types *; gzip_proxied any; }}\n\
             location /moved {{ try_files /none @moved; }}\n\
             location @moved {{ add_header X-Seen $http_authorization always;\n\
             add_header Set-Cookie 'sid=1; Domain=door.localhost; Path=/' always;\n\
             return 302 http://127.0.0.1:{port}/hello.txt; }}\n\
             }}\n}}\n",
            here = dir.path().display(),
        );
        std::fs::write(at("nginx.conf"), config).unwrap();
        let mut child = Command::new("/usr/sbin/nginx")
            .arg("-e")
            .arg(at("error.log"))
            .arg("-c")
            .arg(at("nginx.conf"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("nginx-light is installed: scripts/prerequisites test");
        for _ in 0..500 {
            // Written once the port is its own; whoever else may have taken it answers too.
            let listens = dir.path().join("pid").exists();
            if listens && TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Some(Self {
                    port,
                    dir,
                    _child: child,
                });
            }
            if child.try_wait().unwrap().is_some() {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        None
    }

    /// A file of so many bytes that is served.
    pub fn file(&self, name: &str, bytes: u64) {
        let file = std::fs::File::create(self.dir.path().join("www").join(name)).unwrap();
        file.set_len(bytes).unwrap();
    }

    /// How many connections it has, and one more that asks.
    pub async fn connections(&self) -> usize {
        let url = format!("http://127.0.0.1:{}/status", self.port);
        let said = reqwest::get(url).await.unwrap().text().await.unwrap();
        let active = said.lines().next().unwrap_or_default();
        active
            .trim_start_matches("Active connections:")
            .trim()
            .parse()
            .unwrap()
    }

    /// What it has served, a line each.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("access.log")).unwrap_or_default()
    }
}
