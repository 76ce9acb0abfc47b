use super::*;

fn options() -> SmtpOptions {
    SmtpOptions::new("mail.example.com", "Shop <alerts@shop.example>")
}

fn fault(options: SmtpOptions) -> &'static str {
    Smtp::new(&options).expect_err("cannot be used").key
}

#[test]
fn a_password_never_travels_in_clear_text() {
    let with_password =
        SmtpOptions { username: Some("shop".to_owned()), password: Some("secret".into()), ..options() };
    assert_eq!(fault(SmtpOptions { tls: SmtpTls::None, ..with_password.clone() }), "tls");
    for host in ["localhost", "127.0.0.1", "::1"] {
        let near = SmtpOptions { tls: SmtpTls::None, host: host.to_owned(), ..with_password.clone() };
        assert!(Smtp::new(&near).is_ok(), "{host} is this machine");
    }
    assert!(Smtp::new(&SmtpOptions { tls: SmtpTls::None, ..options() }).is_ok(), "without a password it may");
}

#[test]
fn half_a_login_is_a_fault() {
    assert_eq!(
        fault(SmtpOptions { username: Some("shop".to_owned()), tls: SmtpTls::None, ..options() }),
        "password"
    );
    assert_eq!(
        fault(SmtpOptions { password: Some("x".into()), tls: SmtpTls::None, ..options() }),
        "username"
    );
}

#[test]
fn options_that_cannot_be_used_are_named() {
    let bare = || SmtpOptions { tls: SmtpTls::None, ..options() };
    assert_eq!(fault(SmtpOptions { host: String::new(), ..bare() }), "host");
    assert_eq!(fault(SmtpOptions { host: "smtp://mail".to_owned(), ..bare() }), "host");
    assert_eq!(fault(SmtpOptions { from: "alerts".to_owned(), ..bare() }), "from");
    assert_eq!(fault(SmtpOptions { from: "alerts@bücher.example".to_owned(), ..bare() }), "from");
    assert_eq!(fault(SmtpOptions { reply_to: Some("help".to_owned()), ..bare() }), "reply_to");
    assert_eq!(fault(SmtpOptions { return_path: Some("x".to_owned()), ..bare() }), "return_path");
    assert_eq!(
        fault(SmtpOptions { message_id_domain: Some("a@b".to_owned()), ..bare() }),
        "message_id_domain"
    );
    assert_eq!(fault(SmtpOptions { hello_name: Some("a b\r\n".to_owned()), ..bare() }), "hello_name");
    let missing = SmtpOptions { ca_file: Some("/nowhere/ca.pem".into()), ..options() };
    assert_eq!(fault(missing), "ca_file");
}

#[test]
fn the_port_is_the_usual_one_unless_it_is_named() {
    let shown = |options: &SmtpOptions| format!("{:?}", Smtp::new(options).expect("can be used"));
    let bare = SmtpOptions { tls: SmtpTls::None, ..options() };
    assert_eq!(shown(&bare), "Smtp(mail.example.com:25)");
    assert_eq!(shown(&SmtpOptions { port: Some(2525), ..bare }), "Smtp(mail.example.com:2525)");
    assert_eq!((SmtpTls::StartTls.usual_port(), SmtpTls::Tls.usual_port()), (587, 465));
}

#[test]
fn what_is_kept_of_an_answer_never_holds_the_password() {
    let smtp = Smtp::new(&SmtpOptions {
        host: "localhost".to_owned(),
        tls: SmtpTls::None,
        username: Some("shop".to_owned()),
        password: Some("open sesame".into()),
        ..options()
    })
    .expect("can be used");
    let said = "535 no: open sesame, AHNob3AAb3BlbiBzZXNhbWU=, b3BlbiBzZXNhbWU=";
    let error = smtp.without_secrets(Trouble::Closed.judge(said));
    assert_eq!(error.said, "535 no: …, …, …");
    assert!(!format!("{smtp:?}").contains("sesame"));
}

#[test]
fn the_servers_own_id_is_found_in_its_answer() {
    let receipt = |text: &str| receipt(&text.parse::<Response>().expect("a reply"));
    let postfix = receipt("250 2.0.0 Ok: queued as 4Xyz12\r\n");
    assert_eq!(postfix.provider_id.as_deref(), Some("4Xyz12"));
    assert_eq!(postfix.said, "250 2.0.0 Ok: queued as 4Xyz12");
    assert_eq!(receipt("250 OK id=1xVUae-00025u-0N\r\n").provider_id.as_deref(), Some("1xVUae-00025u-0N"));
    assert_eq!(receipt("250 fine\r\n").provider_id, None);
}
