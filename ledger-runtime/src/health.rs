//! gRPC health (v1) of the services, and reflection (v1 and v1alpha).

use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// Health and reflection beside the services of `routes`.
///
/// Returns the routes with both added, and the reporter by which services tell how they are.
///
/// # Errors
/// When the descriptors are not a file descriptor set.
pub fn with_health_and_reflection(
    routes: Routes,
    descriptors: &'static [u8],
) -> Result<(Routes, HealthReporter), tonic_reflection::server::Error> {
    use tonic_reflection::server::Builder;
    let described = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(descriptors)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // The details of a refusal: without them grpcurl shows bytes.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    let (reporter, health) = tonic_health::server::health_reporter();
    let routes = routes
        .add_service(health)
        .add_service(described().build_v1()?)
        .add_service(described().build_v1alpha()?);
    Ok((routes, reporter))
}

/// Tells how a service is, by its full name; the empty name is the whole server.
pub async fn report(reporter: &HealthReporter, service: &str, serving: bool) {
    let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
    reporter.set_service_status(service, status).await;
}
