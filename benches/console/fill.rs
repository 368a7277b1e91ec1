//! Multiplies in the database what the gateway wrote of one check-out, while it is stopped.

use std::path::Path;

use sqlx::{AnyPool, AssertSqlSafe, Row, any::install_default_drivers};

use crate::Result;

pub async fn fill(folder: &Path, checkouts: usize, events: usize) -> Result<()> {
    install_default_drivers();
    let file = folder.join("gateway/doorward.db");
    let pool = AnyPool::connect(&format!("sqlite://{}", file.display())).await?;
    let run = async |text: String| {
        sqlx::raw_sql(AssertSqlSafe(text))
            .execute(&pool)
            .await
            .map(drop)
    };
    run("pragma synchronous = off".to_owned()).await?;
    // Ended in every way, asked for by alice, one a minute back from now.
    let ends = "case n.i % 6 when 0 then 'expired' when 1 then 'revoked' when 2 then 'denied' \
                when 3 then 'checked-in' when 4 then 'lapsed' else 'cancelled' end";
    let changed = |column: &str| match column {
        "id" => Some("substr('00000000000000000000000000' || n.i, -26)".to_owned()),
        "code" => Some("'X' || printf('%09d', n.i)".to_owned()),
        "target_name" => Some("'db' || (n.i % 300)".to_owned()),
        "requester_name" => Some("'person' || (n.i % 500)".to_owned()),
        "ticket" => Some("'CHG' || printf('%07d', n.i / 3)".to_owned()),
        "reason" => Some("'disk ' || n.i || ' of ' || (n.i % 17) || ' is full'".to_owned()),
        "requested_at" => Some("c.requested_at - 60000 * n.i".to_owned()),
        "prior_state" => Some("'active'".to_owned()),
        "state" => Some("'ended'".to_owned()),
        "status" | "end_reason" => Some(ends.to_owned()),
        "ended_at" => Some("c.requested_at - 60000 * n.i + 30000".to_owned()),
        "ended_by" | "end_message" => Some("'the gateway'".to_owned()),
        "due_at" => Some("null".to_owned()),
        _ => None,
    };
    let columns = columns(&pool, "checkout").await?;
    let values: Vec<String> = columns
        .iter()
        .map(|column| changed(column).unwrap_or_else(|| format!("c.{column}")))
        .collect();
    run(format!(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < {checkouts})
         insert into checkout ({}) select {} from n join
             (select * from checkout order by requested_at desc limit 1) c",
        columns.join(", "),
        values.join(", ")
    ))
    .await?;
    run(format!(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < {events})
         insert into audit_record (seq, at, kind, outcome, actor, user_id, checkout, session,
             target, account, body, previous, hash)
         select h.seq + n.i, r.at + n.i, r.kind, r.outcome, r.actor, r.user_id,
             substr('00000000000000000000000000' || (n.i % {checkouts} + 1), -26), r.session,
             r.target, r.account, r.body, r.previous, r.hash
         from n join audit_head h join
             (select * from audit_record where kind = 'checkout.request' order by seq desc limit 1) r"
    ))
    .await?;
    run(format!("update audit_head set seq = seq + {events}")).await?;
    run("analyze".to_owned()).await?;
    pool.close().await;
    Ok(())
}

async fn columns(pool: &AnyPool, table: &str) -> Result<Vec<String>> {
    let query = format!("select name from pragma_table_info('{table}')");
    let rows = sqlx::query(AssertSqlSafe(query)).fetch_all(pool).await?;
    Ok(rows.iter().map(|row| row.get::<String, _>(0)).collect())
}
