//! One route: its address, who may call it, what it takes and what it answers.
//!
//! The same value routes the request, guards it and describes it, so that no route exists
//! without a class or without documentation.

use axum::{
    Router,
    extract::Request,
    handler::Handler,
    http::{Method, StatusCode},
    middleware,
    routing::{MethodFilter, MethodRouter, on},
};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use super::{Api, auth::Caller, body, class::Class, guard, page, room::Place};

/// A parameter after the question mark: its name, and what it does.
pub type Param = (&'static str, &'static str);

pub struct Route {
    spec: Spec,
    body: Option<Shape>,
    answers: Vec<Answer>,
    handler: MethodRouter<Api>,
}

/// What the guard and the extractors need to know of a route while they serve a request.
#[derive(Debug, Clone)]
pub struct Spec {
    pub method: Method,
    pub path: &'static str,
    pub class: Class,
    pub summary: &'static str,
    query: Vec<Param>,
    body_limit: usize,
    /// An answer that goes on until somebody ends it.
    streams: bool,
}

/// One kind of success.
pub struct Answer {
    pub status: StatusCode,
    pub media: &'static str,
    pub shape: Option<Shape>,
}

/// A schema with the schemas it refers to.
pub struct Shape {
    pub name: String,
    pub schema: RefOr<Schema>,
    pub others: Vec<(String, RefOr<Schema>)>,
}

impl Shape {
    pub fn of<T: ToSchema>() -> Self {
        let mut others = Vec::new();
        T::schemas(&mut others);
        Self {
            name: T::name().into_owned(),
            schema: T::schema(),
            others,
        }
    }
}

impl Spec {
    pub fn query_names(&self) -> Vec<&'static str> {
        self.query.iter().map(|(name, _)| *name).collect()
    }

    pub fn query(&self) -> &[Param] {
        &self.query
    }

    pub fn body_limit(&self) -> usize {
        self.body_limit
    }

    pub fn streams(&self) -> bool {
        self.streams
    }

    /// `/users/{name}` is about users.
    pub fn plural(&self) -> &'static str {
        let mut parts = self.path.trim_start_matches('/').split('/');
        let first = parts.next().unwrap_or_default();
        match (first, parts.next()) {
            ("me", Some(own)) => own,
            _ => first,
        }
    }

    /// `/users/{name}` is about a user.
    pub fn noun(&self) -> &'static str {
        match self.plural() {
            "checkouts" => "check-out",
            "policies" => "policy",
            "ssh-keys" => "SSH key",
            "deliveries" => "delivery",
            plural => plural.strip_suffix('s').unwrap_or(plural),
        }
    }

    /// The names in braces.
    pub fn places(&self) -> impl Iterator<Item = &'static str> {
        self.path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }
}

impl Route {
    /// The only way to make a route. The class is an argument, not an option.
    pub fn new<H, T>(
        method: Method,
        path: &'static str,
        class: Class,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).expect("the table uses plain methods");
        Self {
            spec: Spec {
                method,
                path,
                class,
                summary,
                query: Vec::new(),
                body_limit: body::LIMIT,
                streams: false,
            },
            body: None,
            answers: Vec::new(),
            handler: on(filter, handler),
        }
    }

    pub fn takes<T: ToSchema>(mut self) -> Self {
        self.body = Some(Shape::of::<T>());
        self
    }

    pub fn answers<T: ToSchema>(self, status: StatusCode) -> Self {
        self.sends("application/json", status, Some(Shape::of::<T>()))
    }

    pub fn ok<T: ToSchema>(self) -> Self {
        self.answers::<T>(StatusCode::OK)
    }

    pub fn created<T: ToSchema>(self) -> Self {
        self.answers::<T>(StatusCode::CREATED)
    }

    pub fn no_content(self) -> Self {
        self.sends("application/json", StatusCode::NO_CONTENT, None)
    }

    pub fn lists<T: ToSchema>(self, filters: &[Param]) -> Self {
        self.ok::<page::List<T>>()
            .query(filters)
            .query(page::PARAMS)
    }

    /// Something that is not JSON.
    pub fn media(self, media: &'static str) -> Self {
        self.sends(media, StatusCode::OK, None)
    }

    /// The connection becomes something else.
    pub fn switches(self) -> Self {
        self.sends(
            "application/octet-stream",
            StatusCode::SWITCHING_PROTOCOLS,
            None,
        )
    }

    pub fn streaming(mut self) -> Self {
        self.spec.streams = true;
        self
    }

    pub fn query(mut self, params: &[Param]) -> Self {
        self.spec.query.extend(params);
        self
    }

    /// For the few bodies that are larger than a form.
    pub fn body_up_to(mut self, bytes: usize) -> Self {
        self.spec.body_limit = bytes;
        self
    }

    fn sends(mut self, media: &'static str, status: StatusCode, shape: Option<Shape>) -> Self {
        self.answers.push(Answer {
            status,
            media,
            shape,
        });
        self
    }

    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    pub fn body(&self) -> Option<&Shape> {
        self.body.as_ref()
    }

    pub fn success(&self) -> &[Answer] {
        &self.answers
    }

    /// Puts the route behind its guard and into the router.
    pub(super) fn mount(mut self, router: Router<Api>, api: &Api) -> Router<Api> {
        let path = self.spec.path;
        self.spec.body_limit = self.spec.body_limit.max(api.body_limit());
        let post = guard::Post {
            api: api.clone(),
            spec: self.spec,
        };
        let guarded = self
            .handler
            .route_layer(middleware::map_request(known))
            .route_layer(middleware::from_fn_with_state(post, guard::guard));
        router.route(path, guarded)
    }
}

/// Stands behind the guard: a connection on which a token was proven is no guest's any more.
async fn known(request: Request) -> Request {
    let extensions = request.extensions();
    if let (Some(_), Some(place)) = (extensions.get::<Caller>(), extensions.get::<Place>()) {
        place.prove();
    }
    request
}
