//! What is the same for all calls: tokens, limits, faults, batches, and that nothing is forgotten.

use chrono::NaiveDate;
use serde_json::json;
use url::Url;

use super::*;
use crate::core::control::Consent;
use crate::core::faults::{FaultAction, FaultPlan, FaultRule};
use crate::core::options::{DemoTenant, OauthClient};
use crate::graph::exports::ScopeForm;

impl Mailbox {
    fn faults(&self, method: &str, action: FaultAction) {
        let plan = FaultPlan { rules: vec![FaultRule::once(method, action)], random: None };
        self.control.set_faults(plan).unwrap();
    }

    async fn authorize(&self, scope: &str) -> Url {
        let mut url = Url::parse(&format!("{}common/oauth2/v2.0/authorize", self.simulator.root_url())).unwrap();
        // BASE64URL(SHA256("verifier"))
        let challenge = "iMnq5o6zALKXGivsnlom_0F5_WYda32GHkxlV7mq7hQ";
        url.query_pairs_mut()
            .append_pair("client_id", &OauthClient::default().id)
            .append_pair("response_type", "code")
            .append_pair("redirect_uri", "http://127.0.0.1/back")
            .append_pair("state", "s")
            .append_pair("code_challenge", challenge)
            .append_pair("code_challenge_method", "S256")
            .append_pair("login_hint", ADA)
            .append_pair("scope", scope);
        let answer = self.http.get(url).send().await.unwrap();
        assert_eq!(answer.status(), 302);
        Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap()
    }

    async fn token(&self, form: &[(&str, &str)]) -> Answer {
        let OauthClient { id, secret, .. } = OauthClient::default();
        let mut whole = vec![("client_id", id.as_str()), ("client_secret", secret.as_str())];
        whole.retain(|(name, _)| !form.iter().any(|(given, _)| given == name));
        whole.extend(form);
        let url = format!("{}organizations/oauth2/v2.0/token", self.simulator.root_url());
        answer(self.http.post(url).form(&whole).send().await.unwrap()).await
    }

    async fn consent(&self, scope: &str) -> Value {
        let back = self.authorize(scope).await;
        let code = parameter(&back, "code").unwrap();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", "http://127.0.0.1/back"),
            ("code_verifier", "verifier"),
        ];
        self.token(&form).await.expect(200)
    }

    async fn refresh(&self, token: &str) -> Answer {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn refresh_tokens_rotate_and_the_old_one_still_works() {
    let mailbox = Mailbox::start().await;
    let tokens = mailbox.consent("offline_access Calendars.Read User.Read").await;
    let first = text(&tokens, "refresh_token");
    let renewed = mailbox.refresh(&first).await.expect(200);
    let second = text(&renewed, "refresh_token");
    assert_ne!(first, second);
    mailbox.refresh(&first).await.expect(200);
    mailbox.quirks(Quirks { refresh_tokens_once: true, ..Quirks::default() });
    mailbox.refresh(&second).await.expect(200);
    let refused = mailbox.refresh(&second).await.expect(400);
    assert_eq!(refused["error"], "invalid_grant");
    mailbox.control.revoke_grants(ADA).unwrap();
    let refused = mailbox.refresh(&first).await.expect(400);
    assert_eq!(refused["error_codes"], json!([50_173]));
    assert!(text(&refused, "error_description").starts_with("AADSTS50173: "));
}

#[tokio::test]
async fn offline_access_is_never_named_and_scopes_have_two_forms() {
    let mailbox = Mailbox::start().await;
    for (form, expected) in
        [(ScopeForm::Short, "Calendars.Read"), (ScopeForm::Full, "https://graph.microsoft.com/Calendars.Read")]
    {
        mailbox.quirks(Quirks { scope_form: form, ..Quirks::default() });
        let tokens = mailbox.consent("offline_access Calendars.Read").await;
        let scope = text(&tokens, "scope");
        assert!(scope.split(' ').any(|scope| scope == expected) && !scope.contains("offline"), "{scope}");
        assert!(tokens["refresh_token"].is_string());
    }
    let tokens = mailbox.consent("https://graph.microsoft.com/Calendars.Read").await;
    assert_eq!(tokens.get("refresh_token"), None);
    let reader = Mailbox { token: text(&tokens, "access_token"), ..mailbox };
    reader.get("me/calendars").await.expect(200);
    assert_eq!(reader.get("me").await.code(), "Authorization_RequestDenied");
    assert_eq!(reader.post("me/events", &json!({})).await.code(), "ErrorAccessDenied");
}

#[tokio::test]
async fn consent_can_be_refused_and_codes_work_once() {
    let mailbox = Mailbox::start().await;
    mailbox.control.set_consent(&Consent { user: ADA.to_owned(), deny: true, untick_scopes: Vec::new() }).unwrap();
    let back = mailbox.authorize("Calendars.Read").await;
    assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&back, "state").as_deref(), Some("s"));
    mailbox.control.set_consent(&Consent { user: ADA.to_owned(), ..Consent::default() }).unwrap();
    let code = parameter(&mailbox.authorize("Calendars.Read").await, "code").unwrap();
    let redeem = |verifier: &'static str| {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", "http://127.0.0.1/back"),
            ("code_verifier", verifier),
        ];
        let mailbox = &mailbox;
        async move { mailbox.token(&form).await }
    };
    assert_eq!(redeem("another").await.expect(400)["error_codes"], json!([501_481]));
    assert_eq!(redeem("verifier").await.expect(400)["error_codes"], json!([54_005]));
}

#[tokio::test]
async fn clients_and_refreshes_are_refused_with_codes() {
    let mailbox = Mailbox::start().await;
    let tokens = mailbox.consent("offline_access Calendars.Read").await;
    let refresh = text(&tokens, "refresh_token");
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str()), ("client_secret", "wrong")];
    let refused = mailbox.token(&form).await.expect(401);
    assert_eq!((refused["error"].as_str(), &refused["error_codes"]), (Some("invalid_client"), &json!([7_000_215])));
    for (code, error) in [(53_003, "interaction_required"), (700_082, "invalid_grant"), (7_000_222, "invalid_client")] {
        mailbox.control.set_refresh_failure(Some(code)).unwrap();
        let refused = mailbox.refresh(&refresh).await;
        assert_eq!((refused.body["error"].as_str(), &refused.body["error_codes"]), (Some(error), &json!([code])));
    }
    mailbox.control.set_refresh_failure(None).unwrap();
    mailbox.refresh(&refresh).await.expect(200);
    mailbox.control.expire_access_tokens(Some(ADA)).unwrap();
    let refused = mailbox.get("me/calendars").await;
    assert_eq!((refused.status, refused.code()), (401, "InvalidAuthenticationToken"));
    assert!(refused.headers.contains_key("www-authenticate"));
}

#[tokio::test]
async fn errors_say_which_call_they_answer() {
    let mailbox = Mailbox::start().await;
    let refused = mailbox.get("me/calendars/nothing").await;
    assert_eq!(refused.status, 400);
    let inner = &refused.body["error"]["innerError"];
    assert_eq!(inner["request-id"].as_str(), refused.headers["request-id"].to_str().ok());
    assert!(inner["date"].is_string() && inner["client-request-id"].is_string());
    let action = FaultAction::Status { status: 503, reason: None, retry_after_s: Some(7) };
    mailbox.faults("graph.calendars.list", action);
    let refused = mailbox.get("me/calendars").await;
    assert_eq!((refused.status, refused.code()), (503, "ServiceUnavailable"));
    assert_eq!(refused.headers["retry-after"], "7");
    mailbox.control.set_mailbox(ADA, false).unwrap();
    assert_eq!(mailbox.get("me/calendars").await.code(), "MailboxNotEnabledForRESTAPI");
    mailbox.control.set_mailbox(ADA, true).unwrap();
    mailbox.faults("graph.*", FaultAction::Quota { status: 429 });
    assert_eq!(mailbox.get("me/calendars").await.code(), "ApplicationThrottled");
    let calls = mailbox.control.calls().unwrap();
    assert_eq!(calls.counts["graph.calendars.list"], 3);
    assert_eq!(calls.calls[0].method, "graph.calendars.get");
    assert_eq!(calls.calls[0].calendar.as_deref(), Some("nothing"));
}

#[tokio::test]
async fn more_than_four_requests_at_a_time_are_too_many() {
    let mailbox = Mailbox::start().await;
    mailbox.quirks(Quirks { latency_ms: 500, ..Quirks::default() });
    let calls = futures::future::join_all((0..6).map(|_| mailbox.get("me/calendars"))).await;
    let refused: Vec<&Answer> = calls.iter().filter(|answer| answer.status == 429).collect();
    assert_eq!(refused.len(), 2);
    assert!(refused[0].headers.contains_key("retry-after"));
    mailbox.get("me/calendars").await.expect(200);
    mailbox.quirks(Quirks { requests_per_ten_minutes: 1, ..Quirks::default() });
    assert_eq!(mailbox.get("me/calendars").await.status, 429);
}

#[tokio::test]
async fn a_batch_answers_each_part_in_any_order() {
    let mailbox = Mailbox::start().await;
    let part = |id: u32, url: &str| json!({"id": id.to_string(), "method": "GET", "url": url});
    let mut requests: Vec<Value> = (0..8).map(|id| part(id, "/me/calendars")).collect();
    requests.push(part(8, "/me/events/nonsense"));
    let mut dependent = part(9, "/me/calendar");
    dependent["dependsOn"] = json!(["8"]);
    requests.push(dependent);
    let lunch = event("Lunch", "2027-03-02T12:00:00", "2027-03-02T13:00:00");
    requests.push(json!({"id": "10", "method": "POST", "url": "me/events", "body": lunch,
        "headers": {"Content-Type": "application/json", "Prefer": IMMUTABLE}}));
    mailbox.faults("graph.calendars.list", FaultAction::Status { status: 429, reason: None, retry_after_s: Some(3) });
    let answers = mailbox.post("$batch", &json!({"requests": requests})).await.expect(200);
    let answers = answers["responses"].as_array().unwrap();
    assert_eq!(answers.len(), 11);
    let order: Vec<&str> = answers.iter().map(|answer| answer["id"].as_str().unwrap()).collect();
    assert_ne!(order, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]);
    let of = |id: &str| answers.iter().find(|answer| answer["id"] == id).unwrap();
    assert_eq!((&of("0")["status"], &of("0")["headers"]["Retry-After"]), (&json!(429), &json!("3")));
    assert_eq!(of("1")["body"]["value"][0]["id"], json!(mailbox.calendar));
    assert_eq!((&of("8")["status"], &of("9")["status"]), (&json!(400), &json!(424)));
    assert_eq!((&of("10")["status"], &of("10")["body"]["subject"]), (&json!(201), &json!("Lunch")));
    let counts = mailbox.control.calls().unwrap().counts;
    assert_eq!((counts["graph.batch"], counts["graph.calendars.list"], counts["graph.events.write"]), (1, 8, 1));
}

#[tokio::test]
async fn a_batch_has_twenty_parts_at_most_and_may_lose_one() {
    let mailbox = Mailbox::start().await;
    let batch = |count: u32| {
        let part = |id: u32| json!({"id": id.to_string(), "method": "GET", "url": "/me/calendars"});
        json!({"requests": (0..count).map(part).collect::<Vec<Value>>()})
    };
    assert_eq!(mailbox.post("$batch", &batch(21)).await.status, 400);
    mailbox.quirks(Quirks { batch_part_left_out: true, ..Quirks::default() });
    let answers = mailbox.post("$batch", &batch(20)).await.expect(200);
    assert_eq!(answers["responses"].as_array().unwrap().len(), 19);
    mailbox.quirks(Quirks { batch_parts_throttled: true, batch_in_order: true, ..Quirks::default() });
    let answers = mailbox.post("$batch", &batch(6)).await.expect(200);
    let statuses: Vec<&Value> = answers["responses"].as_array().unwrap().iter().map(|one| &one["status"]).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 429, 429]);
    assert_eq!(answers["responses"][4]["headers"]["Retry-After"], "1");
    let nobody = Mailbox { token: "none".to_owned(), ..mailbox };
    assert_eq!(nobody.post("$batch", &batch(1)).await.status, 401);
}

#[tokio::test]
async fn nothing_is_forgotten_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let options = || SimulatorOptions { data_dir: Some(folder.path().to_owned()), ..SimulatorOptions::default() };
    let mailbox = Mailbox::start_with(options()).await;
    let series = mailbox.create(&mondays()).await;
    let (items, link) = mailbox.first_round().await;
    mailbox.delete(&format!("me/events/{}", id(&items[2]))).await.expect(204);
    let tokens = mailbox.consent("offline_access Calendars.Read").await;
    let (truth, token) = (mailbox.control.truth(ADA).unwrap(), mailbox.token.clone());
    let link = link.split_once("/v1.0/").unwrap().1.to_owned();
    mailbox.simulator.shutdown().await;
    let mailbox = Mailbox { token, ..Mailbox::start_with(options()).await };
    assert_eq!(mailbox.control.truth(ADA).unwrap(), truth);
    let (items, _) = mailbox.next_round(&link).await;
    assert_eq!((id(&items[0]), items.len()), (series, 5));
    mailbox.refresh(&text(&tokens, "refresh_token")).await.expect(200);
}

#[tokio::test]
async fn it_speaks_tls_as_well() {
    let listen_tls = Some("127.0.0.1:0".parse().unwrap());
    let mailbox = Mailbox::start_with(SimulatorOptions { listen_tls, ..SimulatorOptions::default() }).await;
    mailbox.create(&mondays()).await;
    let authority = std::fs::read(mailbox.simulator.tls_ca_path().unwrap()).unwrap();
    let http = trusting(&authority);
    let base = mailbox.simulator.tls_base_url().unwrap();
    assert!(base.starts_with("https://localhost:"), "{base}");
    let mailbox = Mailbox { http, ..mailbox };
    let page = mailbox.get(&format!("{base}me/events?$top=1")).await.expect(200);
    assert_eq!(page["value"].as_array().unwrap().len(), 1);
    let prefer = ["odata.maxpagesize=2"];
    let first = mailbox.call(Method::GET, &format!("{base}me/calendarView/delta?{WINDOW}"), &prefer, None).await;
    let first = first.expect(200);
    let next = first["@odata.nextLink"].as_str().unwrap();
    assert!(next.starts_with(&base), "{next}");
}

#[tokio::test]
async fn the_demo_has_two_calendars_full_of_events() {
    let anchor = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
    let options = SimulatorOptions { demo: Some(DemoTenant { seed: 1, anchor }), ..SimulatorOptions::default() };
    let mailbox = Mailbox::start_with(options).await;
    let robin = Mailbox { token: token_of(&mailbox.control, DemoTenant::USER), ..mailbox };
    let calendars = robin.all("me/calendars").await;
    assert_eq!(calendars.len(), 2);
    let truth = robin.control.truth(DemoTenant::USER).unwrap();
    assert!(truth.events.len() > 150, "{}", truth.events.len());
    let focus = truth.events.iter().filter(|event| event.recurrence == ["RRULE:FREQ=DAILY;COUNT=60"]).count();
    assert_eq!(focus, 1);
    let window = "startDateTime=2026-11-01T00:00:00Z&endDateTime=2027-01-01T00:00:00Z";
    let (items, _) = robin.round(&format!("me/calendarView/delta?{window}"), &["odata.maxpagesize=100"]).await;
    assert!(items.len() > 100);
    for kind in ["singleInstance", "seriesMaster", "occurrence", "exception"] {
        assert!(kinds(&items).contains(&kind), "{kind}");
    }
}

#[expect(clippy::disallowed_methods, reason = "the client of a test, which plays one that is not evercal's")]
fn trusting(authority: &[u8]) -> reqwest::Client {
    let authority = reqwest::Certificate::from_pem(authority).unwrap();
    reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap()
}
