//! Programs of the system's that measure, and whether they are there.

use std::{io, process::Stdio};

use tokio::process::Command;

use crate::Result;

pub async fn need(program: &str, argument: &str, package: &str) -> Result<()> {
    let tried = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await;
    match tried {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(format!("{program} is not there; apt-get install {package}").into())
        }
        Err(error) => Err(format!("{program} cannot be started: {error}").into()),
    }
}

/// What it printed, if it ended well.
pub async fn output(mut command: Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    let (out, errors) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    if !output.status.success() {
        return Err(format!("{command:?} ended with {}:\n{errors}{out}", output.status).into());
    }
    Ok(out)
}
