//! The OpenAPI 3.1 document, made out of the table of routes.
//!
//! Describes what is served, so it cannot name a route that is not there or miss one that is.

use std::collections::BTreeMap;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use utoipa::openapi::{
    self, Components, Content, HttpMethod, Info, OpenApi, OpenApiBuilder, Ref, RefOr, Required,
    Schema,
    path::{OperationBuilder, ParameterBuilder, ParameterIn, PathItem, Paths},
    request_body::RequestBodyBuilder,
    response::ResponseBuilder,
    schema::{ComponentsBuilder, ObjectBuilder, Type},
    security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
};

use super::{
    Api,
    class::Class,
    error::ProblemBody,
    route::{Route, Shape, Spec},
};

const BEARER: &str = "bearer";

pub async fn show(State(api): State<Api>) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (headers, api.document().to_owned()).into_response()
}

pub fn document(base: &str, routes: &[Route]) -> OpenApi {
    let mut schemas = BTreeMap::new();
    let problem = Shape::of::<ProblemBody>();
    collect(&problem, &mut schemas);
    let mut paths = Paths::new();
    for route in routes {
        for shape in route
            .body()
            .into_iter()
            .chain(route.success().iter().filter_map(|a| a.shape.as_ref()))
        {
            collect(shape, &mut schemas);
        }
        let spec = route.spec();
        let item = PathItem::new(method(spec), operation(route, &problem));
        let path = format!("{base}{}", spec.path);
        match paths.paths.get_mut(&path) {
            Some(known) => known.merge_operations(item),
            None => {
                paths.paths.insert(path, item);
            }
        }
    }
    let mut info = Info::new("Doorward", env!("CARGO_PKG_VERSION"));
    info.description = Some(env!("CARGO_PKG_DESCRIPTION").to_owned());
    OpenApiBuilder::new()
        .info(info)
        .paths(paths)
        .components(Some(components(schemas)))
        .build()
}

fn components(schemas: BTreeMap<String, RefOr<Schema>>) -> Components {
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.bearer_format = Some("dw_…".to_owned());
    bearer.description = Some("A token of a sign-in, or an API token".to_owned());
    ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .security_scheme(BEARER, SecurityScheme::Http(bearer))
        .build()
}

fn operation(route: &Route, problem: &Shape) -> OperationBuilder {
    let spec = route.spec();
    let mut operation = OperationBuilder::new()
        .summary(Some(spec.summary))
        .description(Some(rights(spec.class)))
        .operation_id(Some(operation_id(spec)))
        .tag(spec.plural());
    if !matches!(spec.class, Class::Open { .. }) {
        operation = operation.security(SecurityRequirement::new(BEARER, [] as [&str; 0]));
    }
    for place in spec.places() {
        operation = operation.parameter(
            ParameterBuilder::new()
                .name(place)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .schema(Some(text())),
        );
    }
    for (name, description) in spec.query() {
        operation = operation.parameter(
            ParameterBuilder::new()
                .name(*name)
                .parameter_in(ParameterIn::Query)
                .required(Required::False)
                .description(Some(*description))
                .schema(Some(text())),
        );
    }
    if let Some(body) = route.body() {
        let content = Content::new(Some(refer(body)));
        let body = RequestBodyBuilder::new()
            .content("application/json", content)
            .required(Some(Required::True));
        operation = operation.request_body(Some(body.build()));
    }
    for answer in route.success() {
        let mut response = ResponseBuilder::new().description(
            answer
                .status
                .canonical_reason()
                .unwrap_or("Done")
                .to_owned(),
        );
        if let Some(shape) = &answer.shape {
            response = response.content(answer.media, Content::new(Some(refer(shape))));
        } else if answer.media != "application/json" {
            response = response.content(answer.media, Content::new(Some(text())));
        }
        operation = operation.response(answer.status.as_str(), response);
    }
    operation.response("default", problem_response(problem))
}

fn problem_response(problem: &Shape) -> openapi::Response {
    ResponseBuilder::new()
        .description("What is wrong, and what to do about it")
        .content(
            "application/problem+json",
            Content::new(Some(refer(problem))),
        )
        .build()
}

fn rights(class: Class) -> String {
    match class {
        Class::Open { why } => format!("Open to anybody: {why}."),
        Class::SignedIn => "For everybody who is signed in.".to_owned(),
        Class::Oneself => {
            "For everybody who is signed in, with the full reach of a sign-in.".to_owned()
        }
        class => {
            let roles: Vec<_> = class.roles().iter().map(|role| role.as_str()).collect();
            format!("Needs one of the roles {}.", roles.join(", "))
        }
    }
}

/// `POST /checkouts/{id}/check-in` is `post_checkouts_id_check_in`.
fn operation_id(spec: &Spec) -> String {
    let mut id = spec.method.as_str().to_ascii_lowercase();
    for part in spec.path.split('/').filter(|part| !part.is_empty()) {
        id.push('_');
        id.extend(
            part.trim_matches(['{', '}'])
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }),
        );
    }
    id
}

fn method(spec: &Spec) -> HttpMethod {
    match spec.method.as_str() {
        "GET" => HttpMethod::Get,
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        other => unreachable!("the table of routes has no {other}"),
    }
}

fn text() -> Schema {
    ObjectBuilder::new().schema_type(Type::String).into()
}

fn refer(shape: &Shape) -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name(&shape.name))
}

fn collect(shape: &Shape, schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    for (name, schema) in &shape.others {
        schemas.insert(name.clone(), schema.clone());
    }
    schemas.insert(shape.name.clone(), shape.schema.clone());
}
