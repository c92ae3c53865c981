//! Finds the call of the provider's API that a method and a path stand for, and its rate-limit class.

use axum::http::Method;
use percent_encoding::percent_decode_str;

use crate::bridge::BridgeId;
use crate::limits::Class;

/// A call of the provider's API.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    Provision,
    List,
    Get(BridgeId),
    Delete(BridgeId),
    Status(String),
    Qr(String),
    Pair(String),
    Logout(String),
}

/// The reason why the provider does not serve a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Unserved {
    NotFound,
    /// The path exists; `allow` lists its methods as the `Allow` header does.
    WrongMethod {
        allow: &'static str,
    },
}

/// The call and the rate-limit class of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    pub class: Class,
    pub target: Result<Call, Unserved>,
}

impl Route {
    /// Finds the route of a method and a percent-encoded path.
    pub fn of(method: &Method, path: &str) -> Self {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let class = match segments.as_slice() {
            ["api", "instances"] if method == Method::POST => Class::Provision,
            ["api", "instances", _, "proxy", _, ..] => Class::Proxy,
            ["api", _, ..] => Class::Other,
            _ => Class::Floor,
        };
        Self { class, target: target(method, &segments) }
    }

    /// The customer_ref in the path, decoded.
    pub fn customer_ref(&self) -> Option<&str> {
        match &self.target {
            Ok(Call::Status(r) | Call::Qr(r) | Call::Pair(r) | Call::Logout(r)) => Some(r),
            _ => None,
        }
    }
}

fn target(method: &Method, segments: &[&str]) -> Result<Call, Unserved> {
    match segments {
        ["api", "instances"] => match *method {
            Method::GET => Ok(Call::List),
            Method::POST => Ok(Call::Provision),
            _ => Err(Unserved::WrongMethod { allow: "GET, POST" }),
        },
        ["api", "instances", id] => {
            let id = id.parse().ok().and_then(BridgeId::new).ok_or(Unserved::NotFound)?;
            match *method {
                Method::GET => Ok(Call::Get(id)),
                Method::DELETE => Ok(Call::Delete(id)),
                _ => Err(Unserved::WrongMethod { allow: "GET, DELETE" }),
            }
        }
        ["api", "instances", customer_ref, "proxy", verb] => proxied(method, customer_ref, verb),
        _ => Err(Unserved::NotFound),
    }
}

fn proxied(method: &Method, customer_ref: &str, verb: &str) -> Result<Call, Unserved> {
    let (call, only, allow): (fn(String) -> Call, _, _) = match verb {
        "status" => (Call::Status, Method::GET, "GET"),
        "qr" => (Call::Qr, Method::GET, "GET"),
        "pair" => (Call::Pair, Method::POST, "POST"),
        "logout" => (Call::Logout, Method::DELETE, "DELETE"),
        _ => return Err(Unserved::NotFound),
    };
    if *method != only {
        return Err(Unserved::WrongMethod { allow });
    }
    // A customer_ref is text, so bytes that are not UTF-8 cannot name a bridge.
    let decoded = percent_decode_str(customer_ref).decode_utf8().map_err(|_| Unserved::NotFound)?;
    if decoded.is_empty() { Err(Unserved::NotFound) } else { Ok(call(decoded.into_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_recognised_and_classed() {
        let id = BridgeId::new(42).unwrap();
        let wrong = |allow| Err(Unserved::WrongMethod { allow });
        let missing = || Err(Unserved::NotFound);
        let cases = [
            ("POST", "/api/instances", Class::Provision, Ok(Call::Provision)),
            ("GET", "/api/instances", Class::Other, Ok(Call::List)),
            ("PUT", "/api/instances", Class::Other, wrong("GET, POST")),
            ("GET", "/api/instances/42", Class::Other, Ok(Call::Get(id))),
            ("DELETE", "/api/instances/42", Class::Other, Ok(Call::Delete(id))),
            ("POST", "/api/instances/42", Class::Other, wrong("GET, DELETE")),
            ("GET", "/api/instances/", Class::Other, missing()),
            ("GET", "/api/instances/0", Class::Other, missing()),
            ("GET", "/api/instances/abc", Class::Other, missing()),
            (
                "GET",
                "/api/instances/a%2Fb%20%22%C3%A9/proxy/status",
                Class::Proxy,
                Ok(Call::Status("a/b \"é".into())),
            ),
            ("GET", "/api/instances/a/proxy/qr", Class::Proxy, Ok(Call::Qr("a".into()))),
            ("POST", "/api/instances/a/proxy/pair", Class::Proxy, Ok(Call::Pair("a".into()))),
            ("DELETE", "/api/instances/a/proxy/logout", Class::Proxy, Ok(Call::Logout("a".into()))),
            ("GET", "/api/instances/a/proxy/logout", Class::Proxy, wrong("DELETE")),
            ("GET", "/api/instances/a/proxy/nothing", Class::Proxy, missing()),
            ("GET", "/api/instances/%FF/proxy/status", Class::Proxy, missing()),
            ("GET", "/api/instances//proxy/status", Class::Proxy, missing()),
            ("GET", "/api/instances/a/proxy", Class::Other, missing()),
            ("GET", "/api/nothing", Class::Other, missing()),
            ("GET", "/api", Class::Floor, missing()),
            ("GET", "/", Class::Floor, missing()),
        ];
        for (method, path, class, target) in cases {
            let route = Route::of(&method.parse().unwrap(), path);
            assert_eq!(route, Route { class, target }, "{method} {path}");
        }
    }
}
