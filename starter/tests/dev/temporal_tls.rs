//! A Temporal that is closed, as that of a company or of Temporal Cloud is: TLS with an authority of its own, API keys,
//! certificates of clients; reached by the SDK's variables and by its profile file, with the real programs and the real
//! server.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use evercal_devserver::{ClientCertificates, Security, ServerTls, ServerTokens, TemporalOptions, TemporalServer};
use evercal_domain::CalendarState;
use evercal_http::{HttpClient, HttpRequest, HttpSettings, Method, Transport as _};
use evercal_simulator::{BulkChanges, NewUser, OauthClient, Simulator, SimulatorOptions};
use evercal_storage::{DatabaseUrl, Keyring, PageRequest, StoreSettings};
use evercal_tests::{eventually, mirror};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::certificates::{Authority, TokenSigner};
use crate::installation::{self, Installation};

const USER: &str = "ada@example.com";
const NAMESPACE: &str = "calendars";
const MASTER_KEY: &str = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
/// How long a program may take to say that it cannot start.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(60);

/// Variables of a program.
type Variables<'a> = &'a [(&'a str, &'a str)];

#[tokio::test(flavor = "multi_thread")]
async fn with_tls_and_an_api_key_a_calendar_is_mirrored_and_other_keys_are_refused_with_advice() {
    let site = Site::new().await;
    let authority = Authority::new(site.folder(), "authority");
    let (signer, stranger) = (TokenSigner::new(site.folder(), "signer"), TokenSigner::new(site.folder(), "stranger"));
    let (certificate, key) = authority.sign("server", "IP:127.0.0.1");
    let mut options = site.temporal_options();
    let admin = signer.token(&["temporal-system:admin"]);
    options.security = Security {
        tls: Some(ServerTls { certificate, key, authority: authority.certificate(), clients: None }),
        tokens: Some(ServerTokens { key_set: signer.key_set(), admin_token: admin.clone() }),
    };
    let temporal = TemporalServer::start(options).await.unwrap();

    let (address, trusted) = (temporal.address(), authority.certificate().display().to_string());
    let api_key = signer.token(&[&format!("{NAMESPACE}:write")]);
    let profile = |name: &str, api_key: &str| {
        format!(
            "[profile.{name}]\naddress = '{address}'\nnamespace = '{NAMESPACE}'\napi_key = '{api_key}'\n\
             tls.server_ca_cert_path = '{trusted}'\n"
        )
    };
    let profiles = site.write("temporal.toml", &(profile("operator", &admin) + &profile("worker", &api_key)));
    let by_profile = |name| [("TEMPORAL_CONFIG_FILE", profiles.as_str()), ("TEMPORAL_PROFILE", name)];
    let by_variables = [
        ("TEMPORAL_ADDRESS", address),
        ("TEMPORAL_NAMESPACE", NAMESPACE),
        ("TEMPORAL_TLS_SERVER_CA_CERT_PATH", trusted.as_str()),
        ("TEMPORAL_API_KEY", api_key.as_str()),
    ];

    let refused = site.run("prepare-temporal", &by_variables).await;
    assert_refused(&refused, &["the right to do so"]);
    succeeds(&site.run("prepare-temporal", &by_profile("operator")).await);
    site.mirrors_a_calendar(&by_variables, &by_profile("worker")).await;

    let config = succeeds(&site.run("config --json --role worker", &by_profile("worker")).await);
    assert!(config.contains(&format!("https://{address}/")) && config.contains(NAMESPACE), "{config}");
    assert!(!config.contains(&api_key), "{config}");

    let key_of_stranger = stranger.token(&["temporal-system:admin"]);
    let key_of_others = signer.token(&["other:write"]);
    for program in ["worker", "prepare-temporal"] {
        for (variable, value, help) in [
            ("TEMPORAL_API_KEY", key_of_stranger.as_str(), "TEMPORAL_API_KEY"),
            ("TEMPORAL_API_KEY", key_of_others.as_str(), "TEMPORAL_API_KEY"),
            ("TEMPORAL_TLS_SERVER_CA_CERT_PATH", "", "TEMPORAL_TLS_SERVER_CA_CERT_PATH"),
        ] {
            let refused = site.run(program, &replaced(&by_variables, variable, value)).await;
            assert_refused(&refused, &[help, " next: "]);
        }
    }
    temporal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_client_certificates_a_calendar_is_mirrored_and_without_them_the_error_names_the_variables() {
    let site = Site::new().await;
    let (servers, clients) = (Authority::new(site.folder(), "servers"), Authority::new(site.folder(), "clients"));
    let (certificate, key) = servers.sign("server", "IP:127.0.0.1");
    let (own_certificate, own_key) = clients.sign("owner", "DNS:owner");
    let (client_certificate, client_key) = clients.sign("evercal", "DNS:evercal");
    let (foreign_certificate, foreign_key) = servers.sign("foreign", "DNS:evercal");
    let mut options = site.temporal_options();
    let clients = ClientCertificates { authority: clients.certificate(), certificate: own_certificate, key: own_key };
    options.with_ui = true;
    options.security.tls =
        Some(ServerTls { certificate, key, authority: servers.certificate(), clients: Some(clients) });
    let temporal = TemporalServer::start(options).await.unwrap();
    shows_the_namespace(temporal.ui_url().unwrap()).await;

    let (address, trusted) = (temporal.address(), servers.certificate().display().to_string());
    let text = |path: &Path| path.display().to_string();
    let (certificate, key) = (text(&client_certificate), text(&client_key));
    let profile = format!(
        "[profile.default]\naddress = '{address}'\nnamespace = '{NAMESPACE}'\n[profile.default.tls]\n\
         server_ca_cert_path = '{trusted}'\nclient_cert_path = '{certificate}'\nclient_key_path = '{key}'\n"
    );
    let profiles = site.write("temporal.toml", &profile);
    let by_variables = [
        ("TEMPORAL_ADDRESS", address),
        ("TEMPORAL_NAMESPACE", NAMESPACE),
        ("TEMPORAL_TLS_SERVER_CA_CERT_PATH", trusted.as_str()),
        ("TEMPORAL_TLS_CLIENT_CERT_PATH", certificate.as_str()),
        ("TEMPORAL_TLS_CLIENT_KEY_PATH", key.as_str()),
    ];
    succeeds(&site.run("prepare-temporal", &by_variables).await);
    site.mirrors_a_calendar(&by_variables, &[("TEMPORAL_CONFIG_FILE", &profiles)]).await;
    // In a namespace of its own: it has a store of its own.
    dev_mirrors_its_calendars(&site, &replaced(&by_variables, "TEMPORAL_NAMESPACE", "dev")).await;

    let without = &by_variables[..3];
    let (foreign_certificate, foreign_key) = (text(&foreign_certificate), text(&foreign_key));
    let foreign = replaced(&by_variables, "TEMPORAL_TLS_CLIENT_CERT_PATH", &foreign_certificate);
    let foreign = replaced(&foreign, "TEMPORAL_TLS_CLIENT_KEY_PATH", &foreign_key);
    let other_name = [&by_variables[..], &[("TEMPORAL_TLS_SERVER_NAME", "elsewhere")]].concat();
    for program in ["worker", "prepare-temporal"] {
        for (variables, help) in [
            (without, "name its files in TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH"),
            (&foreign, "name its files in TEMPORAL_TLS_CLIENT_CERT_PATH"),
            (&by_variables[..2], "TEMPORAL_TLS=true"),
            (&other_name, "TEMPORAL_TLS_SERVER_NAME"),
        ] {
            assert_refused(&site.run(program, variables).await, &[help, " next: "]);
        }
    }
    let half = site.run("worker", &by_variables[..4]).await;
    assert_refused(&half, &["client certificate and client key must be provided together"]);
    temporal.stop().await;
}

/// Where evercal runs: a folder with a store, a simulated Google with a user, an address for the gateway.
struct Site {
    folder: TempDir,
    simulator: Simulator,
    gateway: SocketAddr,
    variables: Vec<(&'static str, String)>,
}

impl Site {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
        let user = NewUser { email: USER.into(), name: "Ada".into(), time_zone: "Europe/Berlin".into() };
        simulator.control().create_user(&user).unwrap();
        let gateway = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let client = OauthClient::default();
        // Whom this machine trusts is not to count.
        let nobody = Authority::new(folder.path(), "nobody").certificate();
        let variables = vec![
            ("DATABASE_URL", database(folder.path()).to_string()),
            ("EVERCAL_MASTER_KEY", MASTER_KEY.to_owned()),
            ("EVERCAL_CHANNEL_KEYS", "0".repeat(64)),
            ("GOOGLE_CLIENT_ID", client.id),
            ("GOOGLE_CLIENT_SECRET", client.secret),
            ("EVERCAL_GOOGLE_BASE_URL", simulator.root_url().to_owned()),
            ("WEBHOOK_BASE_URL", format!("http://{gateway}")),
            ("EVERCAL_HTTP_ADDRESS", gateway.to_string()),
            ("XDG_CONFIG_HOME", folder.path().display().to_string()),
            ("SSL_CERT_FILE", nobody.display().to_string()),
        ];
        Self { folder, simulator, gateway, variables }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file, and answers its path.
    fn write(&self, name: &str, content: &str) -> String {
        let path = self.folder().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    fn temporal_options(&self) -> TemporalOptions {
        let mut options = evercal_tests::temporal::options(&self.folder().join("temporal")).unwrap();
        options.with_ui = false;
        options
    }

    fn command(&self, arguments: &[&str], more: Variables<'_>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evercal"));
        let own = self.variables.iter().map(|(name, value)| (*name, value.as_str()));
        command.args(arguments).env_clear().envs(own).envs(more.iter().copied());
        command.current_dir(self.folder()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs a program to its end.
    async fn run(&self, arguments: &str, variables: Variables<'_>) -> Output {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let ended = tokio::time::timeout(REFUSAL_TIMEOUT, self.command(&arguments, variables).output()).await;
        ended.unwrap_or_else(|_| panic!("{arguments:?} goes on with {variables:?}")).unwrap()
    }

    fn spawn(&self, program: &str, variables: Variables<'_>) -> Child {
        let log = std::fs::File::create(self.folder().join(format!("{program}.log"))).unwrap();
        self.command(&[program], variables).stdout(Stdio::null()).stderr(log).spawn().unwrap()
    }

    /// Runs a gateway and a worker, connects the user, and waits until the calendar is watched and equals the provider's.
    async fn mirrors_a_calendar(&self, of_gateway: Variables<'_>, of_worker: Variables<'_>) {
        let store = StoreSettings::new(database(self.folder()), Keyring::parse(MASTER_KEY).unwrap());
        let store = evercal_storage::open(&store).await.unwrap();
        let _running = [self.spawn("gateway", of_gateway), self.spawn("worker", of_worker)];
        let http = HttpClient::new(&HttpSettings::default()).unwrap();
        let root = format!("http://{}", self.gateway);
        eventually("the gateway reaches Temporal", || async {
            let health = format!("{root}/health/ready").parse().unwrap();
            match http.send(HttpRequest::get("health", health)).await {
                Ok(answer) if answer.is_success() => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        succeeds(&self.run("tenants create Acme", &[]).await);
        let key = succeeds(&self.run("keys create --tenant Acme --label test --scopes read,write --quiet", &[]).await);
        let api = [("EVERCAL_API", root.as_str()), ("EVERCAL_API_KEY", key.trim())];
        let connect = succeeds(&self.run("connect google --label Ada", &api).await);
        let consent = connect.lines().find(|line| line.contains("/o/oauth2/")).unwrap().trim().parse().unwrap();
        let page = http.send(HttpRequest::get("consent", consent)).await.unwrap();
        let callback = page.header("location").unwrap().parse().unwrap();
        assert!(http.send(HttpRequest::get("callback", callback)).await.unwrap().is_success());

        let tenant = store.tenants().await.unwrap().remove(0).id;
        let calendar = eventually("the calendar is live", || async {
            let page = PageRequest { after: None, limit: 10 };
            match store.calendars_of_tenant(tenant, &page).await.unwrap().items.pop() {
                Some(row) if row.state == CalendarState::Live => Ok(row.id),
                other => Err(other.map(|row| row.state)),
            }
        })
        .await;
        let control = self.simulator.control();
        let changes = json!({"calendar": USER, "count": 20, "seed": 1, "spacing_ms": 0});
        let changes: BulkChanges = serde_json::from_value(changes).unwrap();
        control.make_changes(&changes).await.unwrap();
        eventually("the mirror equals the provider", || async {
            mirror::compare(&*store, calendar, &control.truth(USER).unwrap()).await
        })
        .await;
    }
}

/// `evercal dev` with somebody's Temporal in place of its own.
async fn dev_mirrors_its_calendars(site: &Site, variables: Variables<'_>) {
    let mut command = installation::command(&site.folder().join("dev"));
    command.envs(variables.iter().copied()).env("XDG_CONFIG_HOME", site.folder());
    let dev = Installation::start_command(command, "{}");
    assert_eq!(dev.ready["temporal"], variables[0].1);
    assert_eq!(dev.ready["temporal_ui"], json!(null), "whoever runs that Temporal has a UI");
    eventually("the demo calendars are live", || async {
        let calendars = dev.api(Method::GET, "/v1/calendars", None).await.unwrap();
        let states: Vec<_> = calendars["items"].as_array().unwrap().iter().map(|item| item["state"].clone()).collect();
        if states == ["live", "live"] { Ok(()) } else { Err(states) }
    })
    .await;
    assert!(dev.stop().success());
}

fn database(folder: &Path) -> DatabaseUrl {
    DatabaseUrl::file(folder.join("evercal.db"))
}

/// The variables with another value for one of them; without it for an empty value.
fn replaced<'a>(variables: Variables<'a>, variable: &str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let replaced = variables.iter().map(|(name, old)| (*name, if *name == variable { value } else { *old }));
    replaced.filter(|(name, value)| *name != variable || !value.is_empty()).collect()
}

/// What a program printed that has to succeed.
fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn assert_refused(output: &Output, expected: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    println!("{said}");
    assert!(!output.status.success(), "{said}");
    for text in expected {
        assert!(said.contains(text), "`{text}` is not in: {said}");
    }
}

/// The UI has its answers from the server.
async fn shows_the_namespace(ui: &str) {
    let http = HttpClient::new(&HttpSettings::default()).unwrap();
    let namespaces = format!("{ui}/api/v1/namespaces/default").parse().unwrap();
    let answer = http.send(HttpRequest::get("namespace", namespaces)).await.unwrap();
    assert!(answer.is_success(), "{}", String::from_utf8_lossy(&answer.body));
}
