//! Runs the lab's Internet until Ctrl-C, for asking it by hand: `dig @127.53.9.1 -p PORT www.shop.example`.

use lab::internet::{Internet, Settings};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let internet = Internet::start(Settings::default()).await?;
    println!("root       {}", internet.root());
    for upstream in internet.upstreams() {
        println!("upstream   {upstream}");
    }
    println!("sites      {}", internet.catalogue().sites().len());
    for site in internet.catalogue().sites().iter().step_by(40) {
        println!("           {}", site.apex);
    }
    tokio::signal::ctrl_c().await?;
    internet.stop().await;
    Ok(())
}
