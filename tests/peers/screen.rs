//! What people do with a page by the names that they read on it, and how a page is looked at:
//! by axe-core, for its width, for what its own policy had to forbid. Each look leaves a picture.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    support::{PATIENCE, text},
    window::Window,
};

impl Window {
    /// Presses what people know by this name: a button, a link, a choice.
    pub async fn press_named(&self, name: &str) {
        let pressed = async || {
            let script = "const named = element => (element.getAttribute('aria-label') \
                || element.innerText || '').trim(); \
                const all = [...document.querySelectorAll('button, a, [role=option], \
                [role=menuitem], summary, label')]; \
                const it = all.find(one => named(one) === arguments[0] && !one.disabled \
                && one.checkVisibility()); if (it) it.click(); return !!it";
            let body = json!({ "script": script, "args": [name] });
            let done = self.call(Method::POST, "/execute/sync", body).await;
            (done == true).then_some(())
        };
        self.wait_for(&format!("`{name}` to press"), pressed).await;
    }

    /// Types into the field that people know by this name.
    pub async fn write_into(&self, name: &str, text: &str) {
        let found = async || {
            let script = "const label = [...document.querySelectorAll('label')].find(one => \
                one.innerText.replace('*', '').trim() === arguments[0] && one.checkVisibility()); \
                return (label && label.control) || null";
            let body = json!({ "script": script, "args": [name] });
            let found = self.call(Method::POST, "/execute/sync", body).await;
            let element = found.as_object()?.values().next()?.as_str()?.to_owned();
            let path = format!("/element/{element}/value");
            let typed = self
                .call(Method::POST, &path, json!({ "text": text }))
                .await;
            typed.is_null().then_some(())
        };
        self.wait_for(&format!("a field `{name}`"), found).await;
    }

    /// Asks again and again until there is something.
    pub async fn wait_for<T>(&self, what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
        let asking = async {
            loop {
                if let Some(answer) = ask().await {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(answer) => answer,
            Err(_) => panic!("{what} is not on the page: {}", self.says().await),
        }
    }

    /// Whether people want it dark.
    pub async fn dark(&self, dark: bool) {
        let scheme = if dark { "dark" } else { "light" };
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        let params = json!({ "features": [feature] });
        let command = json!({ "cmd": "Emulation.setEmulatedMedia", "params": params });
        self.call(Method::POST, "/goog/cdp/execute", command).await;
    }

    /// What it shows, as a picture.
    pub async fn picture(&self) -> Vec<u8> {
        let picture = self.call(Method::GET, "/screenshot", json!({})).await;
        data_encoding::BASE64
            .decode(text(&picture).as_bytes())
            .unwrap()
    }

    /// What its own console complained about since the last time.
    pub async fn complaints(&self) -> Vec<String> {
        let wanted = json!({ "type": "browser" });
        let log = self.call(Method::POST, "/se/log", wanted).await;
        let lines = log.as_array().cloned().unwrap_or_default();
        let loud = lines.iter().filter(|line| line["level"] == "SEVERE");
        loud.map(|line| text(&line["message"])).collect()
    }

    pub async fn until_gone(&self, what: &str) {
        let gone = async || (!self.says().await.contains(what)).then_some(());
        self.wait_for(&format!("the end of `{what}`"), gone).await;
    }

    /// Looks at the page as it is, in light and in dark: nothing that axe-core finds against
    /// WCAG A and AA, nothing wider than the screen, nothing the page's policy had to forbid.
    pub async fn look(&self, name: &str) {
        for (dark, scheme) in [(false, "light"), (true, "dark")] {
            self.dark(dark).await;
            self.settled().await;
            let folder = pictures();
            std::fs::create_dir_all(&folder).unwrap();
            let picture = folder.join(format!("{name}-{scheme}.png"));
            std::fs::write(&picture, self.picture().await).unwrap();
            let found = self.against_wcag().await;
            assert!(found.is_empty(), "{name}, {scheme}: {found:#?}");
        }
        self.dark(false).await;
        let wide = "return document.documentElement.scrollWidth - innerWidth";
        let wide = self.run(wide).await.as_f64().unwrap();
        assert!(wide <= 1.0, "{name} is {wide} px wider than the screen");
        let complaints = self.complaints().await;
        // Who is not signed in yet is answered 401, who is to show again that it is them 403, and
        // a wrong code 422; browsers write that down.
        let answers = ["status of 401", "status of 403", "status of 422"];
        let is_answer = |it: &&String| answers.iter().any(|answer| it.contains(answer));
        let loud: Vec<_> = complaints.iter().filter(|it| !is_answer(it)).collect();
        assert!(loud.is_empty(), "{name}: {loud:#?}");
    }

    /// Until nothing moves any more; behind a question something may go on until it is answered.
    async fn settled(&self) {
        let still = async || {
            let script = "const asks = document.querySelector('[role=dialog]'); \
                const all = asks ? asks.getAnimations({subtree: true}) : document.getAnimations(); \
                return all.filter(one => one.playState === 'running').length === 0 \
                && !(asks ?? document).querySelector('[aria-label=Loading]')";
            (self.run(script).await == true).then_some(())
        };
        self.wait_for("rest", still).await;
    }

    /// What axe-core finds, each in a line.
    async fn against_wcag(&self) -> Vec<String> {
        let axe =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("web/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(axe).expect("axe-core is installed: make console");
        self.run(&axe).await;
        let script = "const done = arguments[arguments.length - 1]; \
            axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }) \
            .then(found => done(found.violations.map(one => one.id + ': ' + one.nodes.map(node => \
            node.target.join(' ') + ' ' + (node.any[0] || node.all[0] || node.none[0] || {}).message).join('; '))), \
            error => done([String(error)]))";
        let body = json!({ "script": script, "args": [] });
        let found = self.call(Method::POST, "/execute/async", body).await;
        let found = found.as_array().cloned();
        let found = found.unwrap_or_else(|| vec![Value::from("axe-core did not run")]);
        found.iter().map(text).collect()
    }
}

fn pictures() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("console")
}
