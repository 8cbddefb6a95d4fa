//! The real server and UI.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use evercal_devserver::{DevserverError, Ports, RateLimits, TemporalServer, connect, connection_options};
use evercal_workflow_client::IndexedKind;
use temporalio_client::grpc::{OperatorService, WorkflowService};
use temporalio_common::protos::temporal::api::common::v1::{
    Payload, SearchAttributes, WorkflowExecution, WorkflowType,
};
use temporalio_common::protos::temporal::api::enums::v1::IndexedValueType;
use temporalio_common::protos::temporal::api::operatorservice::v1::ListSearchAttributesRequest;
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    DescribeNamespaceRequest, DescribeWorkflowExecutionRequest, StartWorkflowExecutionRequest,
};
use tonic::IntoRequest;

use crate::support::{options, send_signal, wait_for, wait_until_gone};

const WORKFLOW: &str = "survivor";

/// Starts a workflow that nobody works on, with search attributes if any.
async fn start_workflow(server: &TemporalServer, attributes: &[(&str, &str)]) {
    let indexed_fields = attributes.iter().map(|(name, value)| {
        let metadata = [("encoding".to_owned(), b"json/plain".to_vec())].into();
        let payload = Payload { metadata, data: format!("{value:?}").into_bytes(), ..Default::default() };
        ((*name).to_owned(), payload)
    });
    let request = StartWorkflowExecutionRequest {
        namespace: server.namespace().to_owned(),
        workflow_id: WORKFLOW.to_owned(),
        request_id: WORKFLOW.to_owned(),
        workflow_type: Some(WorkflowType { name: "Nothing".to_owned() }),
        task_queue: Some(TaskQueue { name: "nobody".to_owned(), ..Default::default() }),
        search_attributes: Some(SearchAttributes { indexed_fields: indexed_fields.collect() }),
        ..Default::default()
    };
    let mut connection = connect(server.address()).await.unwrap();
    WorkflowService::start_workflow_execution(&mut connection, request.into_request()).await.unwrap();
}

async fn assert_workflow_is_there(server: &TemporalServer) {
    let request = DescribeWorkflowExecutionRequest {
        namespace: server.namespace().to_owned(),
        execution: Some(WorkflowExecution { workflow_id: WORKFLOW.to_owned(), run_id: String::new() }),
    };
    let mut connection = connect(server.address()).await.unwrap();
    let described =
        WorkflowService::describe_workflow_execution(&mut connection, request.into_request()).await.unwrap();
    let execution = described.into_inner().workflow_execution_info.unwrap().execution.unwrap();
    assert_eq!(execution.workflow_id, WORKFLOW);
}

/// Answers the path of the UI as one string: status line, headers, body.
fn get(url: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

// The guard of the UI runs here too, while a request is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_started_server_has_its_namespace_its_search_attributes_and_no_unknown_setting() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("100% ours? #1");
    let mut options = options(&data_dir);
    options.namespace = "evercal".to_owned();
    options.search_attributes =
        vec![("EvercalState".to_owned(), IndexedKind::Keyword), ("EvercalExpiresAt".to_owned(), IndexedKind::Datetime)];
    // Every setting that the crate knows, so that the log is read for all of them.
    options.time_skipping = true;
    options.rate_limits =
        Some(RateLimits { namespace_requests_per_s: 10_000, history_persistence_calls_per_s: 50_000 });
    let server = TemporalServer::start(options).await.unwrap();
    // Usable at once, not only registered.
    start_workflow(&server, &[("EvercalState", "live"), ("EvercalExpiresAt", "2026-01-02T03:04:05Z")]).await;

    let mut connection = connect(server.address()).await.unwrap();
    let describe = DescribeNamespaceRequest { namespace: "evercal".to_owned(), ..Default::default() };
    let described = WorkflowService::describe_namespace(&mut connection, describe.into_request()).await.unwrap();
    let retention = described.into_inner().config.unwrap().workflow_execution_retention_ttl.unwrap();
    assert_eq!(retention.seconds, 30 * 24 * 60 * 60);

    let list = ListSearchAttributesRequest { namespace: "evercal".to_owned() };
    let listed = OperatorService::list_search_attributes(&mut connection, list.into_request()).await.unwrap();
    let attributes = listed.into_inner().custom_attributes;
    assert_eq!(attributes.get("EvercalState"), Some(&(IndexedValueType::Keyword as i32)));
    assert_eq!(attributes.get("EvercalExpiresAt"), Some(&(IndexedValueType::Datetime as i32)));

    let answer = get(server.ui_url().unwrap(), "/namespaces/evercal/workflows");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    server.stop().await;
    let log = fs::read_to_string(data_dir.join("logs/temporal.log")).unwrap();
    assert!(!log.contains("unregistered key"), "{log}");
    assert!(data_dir.join("temporal/temporal.db").is_file());
}

#[tokio::test]
async fn two_servers_run_side_by_side_and_a_data_folder_takes_only_one() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let start = |folder: &Path| tokio::spawn(TemporalServer::start(options(folder)));
    let (first, second) = tokio::join!(start(one.path()), start(two.path()));
    let (first, second) = (first.unwrap().unwrap(), second.unwrap().unwrap());
    start_workflow(&first, &[]).await;
    start_workflow(&second, &[]).await;

    let third = start(one.path()).await.unwrap().unwrap_err();
    assert!(matches!(third, DevserverError::InUse(_)), "{third}");
    first.stop().await;
    second.stop().await;
}

// The guard of the UI runs here too, while a request is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_comes_back_on_its_port_with_its_workflows() {
    let folder = tempfile::tempdir().unwrap();
    let server = TemporalServer::start(options(folder.path())).await.unwrap();
    start_workflow(&server, &[]).await;
    let (server_pid, ui_pid) = (server.server_pid().unwrap(), server.ui_pid().unwrap());
    send_signal("KILL", server_pid);
    send_signal("KILL", ui_pid);
    wait_for("another server", async || match server.server_pid() {
        Some(pid) if pid != server_pid => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    wait_for("its answer", async || connect(server.address()).await.map_err(|error| error.to_string())).await;
    assert_workflow_is_there(&server).await;
    wait_for("the UI", async || {
        let answer = get(server.ui_url().unwrap(), "/namespaces/evercal/workflows");
        if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(answer) }
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn a_second_start_goes_on_with_the_workflows_and_ports_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.with_ui = false;
    let first = TemporalServer::start(options.clone()).await.unwrap();
    assert_eq!((first.ui_url(), first.ui_pid()), (None, None));
    start_workflow(&first, &[]).await;
    let (address, pid) = (first.address().to_owned(), first.server_pid().unwrap());
    first.stop().await;
    wait_until_gone(pid).await;

    let second = TemporalServer::start(options).await.unwrap();
    assert_eq!(second.address(), address);
    assert_workflow_is_there(&second).await;
    second.stop().await;
}

#[tokio::test]
async fn a_server_of_somebody_else_gets_the_namespace_and_goes_on_after_stop() {
    let folder = tempfile::tempdir().unwrap();
    let owner = TemporalServer::start(options(folder.path())).await.unwrap();
    let nowhere = folder.path().join("never created");
    let mut guest_options = options(&nowhere);
    guest_options.running_server = Some(connection_options(owner.address()).unwrap());
    guest_options.namespace = "guest".to_owned();
    guest_options.search_attributes = vec![("EvercalState".to_owned(), IndexedKind::Keyword)];
    // The second time everything is there already.
    for _ in 0..2 {
        let guest = TemporalServer::start(guest_options.clone()).await.unwrap();
        assert_eq!((guest.address(), guest.server_pid(), guest.ui_url()), (owner.address(), None, None));
        start_workflow(&guest, &[("EvercalState", "live")]).await;
        guest.stop().await;
    }
    assert!(!nowhere.exists());
    connect(owner.address()).await.unwrap();
    owner.stop().await;
}

#[tokio::test]
async fn an_address_without_a_server_and_one_that_is_none_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.running_server = Some(connection_options("127.0.0.1:1").unwrap());
    let error = TemporalServer::start(options.clone()).await.unwrap_err();
    assert!(error.to_string().contains("cannot connect to Temporal at 127.0.0.1:1"), "{error}");
    let error = connection_options("not an address").unwrap_err();
    assert!(error.to_string().contains("expected host:port"), "{error}");
}

#[tokio::test]
async fn a_port_that_was_asked_for_and_is_taken_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut options = options(folder.path());
    options.ports = Some(Ports { frontend: port, ui: 16_900 });
    let error = TemporalServer::start(options).await.unwrap_err();
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
}

/// The first run of the server says that its port is taken, as if another program had come between.
#[tokio::test]
async fn a_start_that_meets_a_taken_port_goes_on_with_other_ports() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&folder.path().join("to have it built"));
    options.with_ui = false;
    TemporalServer::start(options.clone()).await.unwrap().stop().await;

    options.data_dir = folder.path().join("data");
    let real_cache = std::mem::replace(&mut options.cache_dir, folder.path().join("cache"));
    let refused = folder.path().join("config of the refused run");
    for build in fs::read_dir(real_cache).unwrap() {
        let build = build.unwrap();
        let copy = options.cache_dir.join(build.file_name());
        fs::create_dir_all(&copy).unwrap();
        let script = format!(
            "#!/bin/sh\nif [ ! -e '{refused}' ]; then\ncp \"$2\" '{refused}'\necho 'bind: address already in use'\nexit 1\nfi\n\
             exec '{real}' \"$@\"\n",
            refused = refused.display(),
            real = build.path().join("temporal-server").display(),
        );
        for name in ["temporal-server", "temporal-ui"] {
            fs::write(copy.join(name), &script).unwrap();
            fs::set_permissions(copy.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    let server = TemporalServer::start(options).await.unwrap();
    let refused = fs::read_to_string(refused).unwrap();
    assert!(!refused.contains(server.address()), "{} in {refused}", server.address());
    server.stop().await;
}

/// A process of its own that runs a server, as `evercal dev` does.
struct Parent {
    process: Child,
    address: String,
    server_pid: u32,
    ui_pid: u32,
}

impl Parent {
    fn start(data_dir: &Path) -> Self {
        let options = options(data_dir);
        let mut process = Command::new(env!("CARGO_BIN_EXE_devserver-parent"))
            .args([options.data_dir.as_os_str(), options.cache_dir.as_os_str(), &options.search_path])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        let pid = |name: &str| u32::try_from(ready[name].as_u64().unwrap()).unwrap();
        let address = ready["address"].as_str().unwrap().to_owned();
        Self { process, address, server_pid: pid("server_pid"), ui_pid: pid("ui_pid") }
    }
}

#[tokio::test]
async fn a_parent_killed_with_sigkill_leaves_nothing_behind_and_the_next_goes_on_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut parent = Parent::start(folder.path());
    parent.process.kill().unwrap();
    parent.process.wait().unwrap();
    let server = TemporalServer::start(options(folder.path())).await.unwrap();
    assert_eq!(server.address(), parent.address);
    wait_until_gone(parent.server_pid).await;
    wait_until_gone(parent.ui_pid).await;
    server.stop().await;
}

#[tokio::test]
async fn a_parent_stopped_by_ctrl_c_stops_server_and_ui_first() {
    let folder = tempfile::tempdir().unwrap();
    let mut parent = Parent::start(folder.path());
    send_signal("INT", parent.process.id());
    let status = parent.process.wait().unwrap();
    assert!(status.success(), "{status}");
    wait_until_gone(parent.server_pid).await;
    wait_until_gone(parent.ui_pid).await;
}
