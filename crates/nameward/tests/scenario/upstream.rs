//! The upstream of a scenario: answers UDP and TCP from the records the scenario names.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::{Message, MessageBuilder, Name, Serial, ToName as _, Ttl};
use domain::rdata::{A, Aaaa, Cname, Soa, Txt};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

/// What the upstream does when asked for a name.
#[derive(Clone, Debug)]
pub enum Behaviour {
    Record { ttl: u32, rtype: Rtype, data: String },
    Fails(Rcode),
    Silent,
    Nodata,
}

impl Behaviour {
    pub fn read(words: &[&str]) -> Option<Behaviour> {
        match words {
            ["fails", code] => {
                let number = wire::code::Code::from_name(code)?.number();
                Some(Behaviour::Fails(Rcode::checked_from_int(u8::try_from(number).ok()?)?))
            }
            ["is", "silent"] => Some(Behaviour::Silent),
            ["nodata"] => Some(Behaviour::Nodata),
            [ttl, rtype, data] => {
                let data = match data.split_once('*') {
                    Some((text, times)) => text.repeat(times.parse().ok()?),
                    None => (*data).to_owned(),
                };
                Some(Behaviour::Record { ttl: ttl.parse().ok()?, rtype: rtype.parse().ok()?, data })
            }
            _ => None,
        }
    }
}

pub struct Upstream(SocketAddr);

type Names = Arc<HashMap<String, Vec<Behaviour>>>;

impl Upstream {
    pub async fn start(behaviours: Vec<(String, Behaviour)>) -> Upstream {
        let mut names: HashMap<String, Vec<Behaviour>> = HashMap::new();
        for (name, behaviour) in behaviours {
            names.entry(name).or_default().push(behaviour);
        }
        let names: Names = Arc::new(names);
        // A port free for UDP may be taken for TCP: try until both are had.
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        tokio::spawn(serve_udp(udp, Arc::clone(&names)));
        tokio::spawn(serve_tcp(tcp, names));
        Upstream(address)
    }

    pub fn address(&self) -> SocketAddr {
        self.0
    }
}

async fn serve_udp(socket: UdpSocket, names: Names) {
    let mut buffer = vec![0; 4096];
    while let Ok((len, peer)) = socket.recv_from(&mut buffer).await {
        if let Some(reply) = answer(&buffer[..len], &names, 1232) {
            let _ = socket.send_to(&reply, peer).await;
        }
    }
}

async fn serve_tcp(listener: TcpListener, names: Names) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let names = Arc::clone(&names);
        tokio::spawn(async move {
            while let Ok(len) = stream.read_u16().await {
                let mut query = vec![0; usize::from(len)];
                if stream.read_exact(&mut query).await.is_err() {
                    return;
                }
                let Some(reply) = answer(&query, &names, usize::MAX) else { continue };
                let framed = [&u16::try_from(reply.len()).unwrap().to_be_bytes()[..], &reply].concat();
                if stream.write_all(&framed).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// The reply to a query; `None` for silence. Over `size_max` it is cut with TC.
fn answer(query: &[u8], names: &Names, size_max: usize) -> Option<Vec<u8>> {
    let query = Message::from_slice(query).ok()?;
    let question = query.first_question()?;
    let mut name: Name<Vec<u8>> = question.qname().to_name();
    let mut rcode = Rcode::NOERROR;
    let mut records = Vec::new();
    // At most one step for each name a scenario can hold.
    for _ in 0..16 {
        let key = name.to_string().to_ascii_lowercase();
        let Some(behaviours) = names.get(&key) else {
            if !names.keys().any(|known| known.ends_with(&format!(".{key}"))) && key != "." {
                rcode = Rcode::NXDOMAIN;
            }
            break;
        };
        let mut next = None;
        for behaviour in behaviours {
            match behaviour {
                Behaviour::Silent => return None,
                Behaviour::Fails(code) => rcode = *code,
                Behaviour::Nodata => {}
                Behaviour::Record { ttl, rtype, data } => {
                    if *rtype == question.qtype() || *rtype == Rtype::CNAME {
                        records.push((name.clone(), *ttl, *rtype, data.clone()));
                    }
                    if *rtype == Rtype::CNAME && question.qtype() != Rtype::CNAME {
                        next = data.parse().ok();
                    }
                }
            }
        }
        match next {
            Some(target) => name = target,
            None => break,
        }
    }
    let full = build(query, rcode, &records)?;
    if full.len() <= size_max {
        return Some(full);
    }
    let mut cut = build(query, rcode, &[])?;
    cut[2] |= 0x02;
    Some(cut)
}

fn build(query: &Message<[u8]>, rcode: Rcode, records: &[(Name<Vec<u8>>, u32, Rtype, String)]) -> Option<Vec<u8>> {
    let mut reply = MessageBuilder::new_vec().start_answer(query, rcode).ok()?;
    reply.header_mut().set_ra(true);
    for (name, ttl, rtype, data) in records {
        let ttl = Ttl::from_secs(*ttl);
        match *rtype {
            Rtype::A => reply.push((name, Class::IN, ttl, data.parse::<A>().ok()?)).ok()?,
            Rtype::AAAA => reply.push((name, Class::IN, ttl, data.parse::<Aaaa>().ok()?)).ok()?,
            Rtype::CNAME => {
                let target: Name<Vec<u8>> = data.parse().ok()?;
                reply.push((name, Class::IN, ttl, Cname::new(target))).ok()?;
            }
            Rtype::TXT => {
                let text: Txt<Vec<u8>> = Txt::build_from_slice(data.as_bytes()).ok()?;
                reply.push((name, Class::IN, ttl, text)).ok()?;
            }
            _ => return None,
        }
    }
    let mut reply = reply.authority();
    if records.is_empty() && matches!(rcode, Rcode::NOERROR | Rcode::NXDOMAIN) {
        let root: Name<Vec<u8>> = Name::root_vec();
        let seconds = Ttl::from_secs(60);
        let soa = Soa::new(root.clone(), root.clone(), Serial(1), seconds, seconds, seconds, seconds);
        reply.push((root, Class::IN, seconds, soa)).ok()?;
    }
    Some(reply.finish())
}
