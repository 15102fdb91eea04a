"""Administration through the real command line and a real core."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.service.cli.conftest import Site
from tests.service.cli.served import nodexa


def test_models_are_added_listed_and_removed(site: Site) -> None:
    added = site.ok(
        "models", "add", "m1", "--kind", "openai_chat", "--base-url", site.model_url, "--no-images", "--json"
    )
    assert added.json["kind"] == "openai_chat"
    assert added.json["no_images"] is True
    assert "m1" in [model["name"] for model in site.ok("models", "list", "--json").json["models"]]
    assert site.ok("models", "remove", "m1").out == "Removed the model m1.\n"
    assert "m1" not in site.ok("models", "list").out


def test_a_model_of_every_kind_can_be_added(site: Site) -> None:
    key = ("--api-key-env", "NODEXA_TEST_UNSET")
    for kind, more in (
        ("openai_responses", ("--base-url", site.model_url, "--files")),
        ("anthropic", key),
        ("gemini", key),
    ):
        added = site.ok("models", "add", kind, "--kind", kind, *more, "--json").json
        assert (added["kind"], added["files"]) == (kind, kind == "openai_responses")
        listed = site.ok("models", "list").out
        assert site.model_url in listed if "--files" in more else f"{kind} ({kind})" in listed
        site.ok("models", "remove", kind)


def test_a_model_that_cannot_answer_yet_says_why(site: Site) -> None:
    options = ("--kind", "openai_chat", "--base-url", site.model_url, "--api-key-env", "NODEXA_TEST_UNSET")
    assert "NODEXA_TEST_UNSET" in site.ok("models", "add", "m2", *options).err


def test_a_model_in_use_is_not_removed(site: Site) -> None:
    ended = site.run("models", "remove", "fake")
    assert ended.code == 1
    assert ended.err.startswith("Error: ")
    assert "[model_in_use" in ended.err


def test_assistants_are_made_shown_changed_and_deleted_by_name(site: Site, tmp_path: Path) -> None:
    tools = tmp_path / "tools.json"
    tools.write_text(json.dumps([{"type": "function", "name": "look_up", "parameters": {"type": "object"}}]))
    made = site.ok(
        *("assistants", "create", "--name", "helper", "--model", "fake", "--instructions", "Be kind."),
        *("--tools", str(tools), "--temperature", "0.5", "--json"),
    ).json
    assert made["defaults"]["tools"]["tools"][0]["function"]["name"] == "look_up"
    assert "Be kind." in site.ok("assistants", "show", "helper").out
    changed = site.ok(
        *("assistants", "update", "helper", "--name", "helper 2", "--clear", "tools", "--max-output-tokens", "5"),
        *("--instructions-mode", "replace", "--max-tool-calls", "3", "--memory", "--json"),
    ).json
    assert changed["id"] == made["id"]
    assert (changed["name"], changed["instructions_mode"]) == ("helper 2", "replace")
    assert changed["defaults"]["tools"] is None
    defaults = changed["defaults"]
    assert [defaults[name] for name in ("temperature", "max_output_tokens", "max_tool_calls")] == [0.5, 5, 3]
    assert changed["memory"] is True
    assert site.ok("assistants", "update", "helper 2", "--no-memory", "--json").json["memory"] is False
    assert site.ok("assistants", "delete", "helper 2").out == f"Deleted {made['id']}.\n"
    assert made["id"] not in site.ok("assistants", "list").out


def test_operations_of_an_openapi_document_become_tools(site: Site, tmp_path: Path) -> None:
    operations = {f"/{name}": {"get": {"operationId": name}} for name in ("one", "two", "three")}
    document = tmp_path / "api.json"
    document.write_text(
        json.dumps({"openapi": "3.1.0", "paths": operations, "servers": [{"url": "https://api.example"}]})
    )
    tools = tmp_path / "tools.json"
    tools.write_text(json.dumps([{"type": "function", "name": "look_up"}, {"type": "function", "name": "two"}]))
    create = ("assistants", "create", "--name", "shop", "--model", "fake")
    site.ok(*create, "--openapi", str(document), "--operations", "one")
    assert "one" in site.ok("assistants", "show", "shop").out

    site.ok("assistants", "update", "shop", "--tools", str(tools))
    changed = site.ok(
        *("assistants", "update", "shop", "--openapi", str(document), "--operations", "two,three"),
        *("--openapi-provider", "crm", "--json"),
    ).json["defaults"]["tools"]["tools"]

    assert changed[0]["function"]["name"] == "look_up"
    made = [json.loads(tool["opaque"]["json"]) for tool in changed[1:]]
    assert [(tool["name"], tool["url"], tool["provider"]) for tool in made] == [
        ("two", "https://api.example/two", "crm"),
        ("three", "https://api.example/three", "crm"),
    ]
    for options, said in (
        (("--openapi", str(document)), "needs --operations"),
        (("--operations", "one"), "needs --openapi"),
        (("--openapi", str(document), "--operations", "one", "--tools", str(tools)), "can't be given together"),
        (("--openapi", str(document), "--operations", "four"), "has no operation 'four'"),
    ):
        ended = site.run("assistants", "update", "shop", *options)
        assert (ended.code, said in " ".join(ended.err.split())) == (2, True), ended.err
    site.ok("assistants", "delete", "shop")


def test_making_an_assistant_prints_its_id_alone(site: Site) -> None:
    made = site.ok("assistants", "create", "--name", "plain", "--model", "fake")
    assert made.out.strip().startswith("asst_")
    assert f"nodexa chat {made.out.strip()}" in made.err


def test_more_assistants_than_a_page_holds_are_all_listed(site: Site) -> None:
    before = len(site.ok("assistants", "list", "--json").json["assistants"])
    assert len(site.ok("assistants", "list").out.splitlines()) == before + 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("assistants", "create", "--name", "x", "--model", "no-such"), 1, "[model_not_found, param "),
        (("assistants", "create", "--name", "", "--model", "fake"), 1, "param assistant.name]"),
        (("assistants", "show", "asst_nope"), 1, "assistant_not_found"),
        (("assistants", "show", "nobody"), 1, "No assistant is called 'nobody'. See `nodexa assistants list`."),
        (("assistants", "update", "echo"), 2, "Nothing to change"),
        (("assistants", "update", "echo", "--temperature", "1", "--clear", "temperature"), 2, "both set and cleared"),
        (("assistants", "create", "--name", "x", "--model", "fake", "--tools", "none.json"), 2, "does not exist"),
        (("keys", "revoke", "key_nope"), 1, "api_key_not_found"),
        (("keys", "show", "key_nope"), 1, "No API key 'key_nope'. See `nodexa keys list`."),
        (("keys", "update", "key_nope", "--name", "x"), 1, "api_key_not_found"),
        (("keys", "update", "key_nope"), 2, "Nothing to change"),
        (("keys", "update", "key_nope", "--concurrent-runs", "0"), 2, "neither a number from 1 on nor 'none'"),
        (("organizations", "update", "org_nope", "--tokens-per-minute", "many"), 2, "neither a number from 1 on"),
        (("organizations", "update", "org_nope", "--tokens-per-minute", "9"), 1, "organization_not_found"),
        (("audit", "list", "--organization", "org_nope"), 1, "organization_not_found"),
        (("responses", "show", "resp_nope"), 1, "response_not_found"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_where(site: Site, arguments: tuple[str, ...], code: int, words: str) -> None:
    ended = site.run(*arguments)
    assert ended.code == code
    assert not ended.out
    assert words in ended.err


def test_a_key_is_shown_once_works_and_is_revoked(site: Site) -> None:
    made = site.ok("keys", "create", "--name", "app", "--scope", "full_access", "--scope", "assistant", "--json").json
    assert made["api_key"]["scopes"] == ["full_access", "assistant"]
    listing = site.ok("keys", "list").out
    assert made["api_key"]["id"] in listing
    assert made["secret"] not in listing
    env = {"NODEXA_GRPC": site.served.quickstart["NODEXA_GRPC"], "NODEXA_API_KEY": made["secret"]}
    here = site.served.data.parent
    assert nodexa("keys", "list", cwd=here, env=env).code == 0
    assert f"Revoked {made['api_key']['id']}" in site.ok("keys", "revoke", made["api_key"]["id"]).out
    assert "revoked 20" in site.ok("keys", "list").out
    refused = nodexa("keys", "list", cwd=here, env=env)
    assert refused.code == 1
    assert "[invalid_api_key" in refused.err


def test_a_new_key_prints_its_secret_alone_on_the_standard_output(site: Site) -> None:
    made = site.ok("keys", "create", "--name", "script", "--scope", "assistant")
    assert made.out.startswith("nxk_")
    assert len(made.out.split()) == 1
    assert "shown this once" in made.err


def test_a_key_of_another_scope_is_told_so(site: Site) -> None:
    secret = site.ok("keys", "create", "--name", "app", "--scope", "assistant").out.strip()
    env = {"NODEXA_GRPC": site.served.quickstart["NODEXA_GRPC"], "NODEXA_API_KEY": secret}
    refused = nodexa("assistants", "list", cwd=site.served.data.parent, env=env)
    assert refused.code == 1
    assert "[insufficient_scope" in refused.err


def test_an_organization_is_made_disabled_and_enabled(site: Site) -> None:
    made = site.ok("organizations", "create", "--name", "Acme", "--json").json
    env = {"NODEXA_GRPC": site.served.quickstart["NODEXA_GRPC"], "NODEXA_API_KEY": made["secret"]}
    here = site.served.data.parent
    assert nodexa("assistants", "list", cwd=here, env=env).out.startswith("No assistants.")
    organization = made["organization"]["id"]
    assert site.ok("organizations", "disable", organization).out == f"{organization} (Acme) is disabled.\n"
    assert nodexa("assistants", "list", cwd=here, env=env).code == 1
    assert site.ok("organizations", "enable", organization, "--json").json["disabled"] is False
    assert nodexa("assistants", "list", cwd=here, env=env).code == 0
    listing = site.ok("organizations", "list", "--json").json["organizations"]
    assert [each["name"] for each in listing if each["operator"]] == [listing[0]["name"]]


def test_the_data_directory_may_stand_before_the_command(site: Site) -> None:
    data = str(site.served.data)
    assert nodexa("--data", data, "models", "list", cwd=Path("/")).code == 0


def test_a_key_is_given_limits_which_are_shown_and_taken_away(site: Site) -> None:
    made = site.ok("keys", "create", "--name", "app", "--scope", "assistant", "--json").json["api_key"]
    given = ("--requests-per-minute", "60", "--concurrent-runs", "2")
    said = site.ok("keys", "update", made["id"], "--name", "limited", *given).out
    assert said == f"Changed {made['id']} (limited). Limits: 60 requests/min, 2 at a time.\n"
    changed = site.ok(
        "keys", "update", made["id"], "--requests-per-minute", "none", "--dialect", "nodexa", "--json"
    ).json
    assert changed["limits"] == {"concurrent_runs": 2}
    assert "2 at a time" in site.ok("keys", "list").out
    shown = site.ok("keys", "show", made["id"]).out
    assert "2 at a time" in shown
    assert "nodexa" in shown
    site.ok("keys", "update", made["id"], "--concurrent-runs", "none")
    assert site.ok("keys", "show", made["id"], "--json").json["limits"] is None


def test_an_organization_is_given_limits_which_it_can_see_itself(site: Site) -> None:
    made = site.ok("organizations", "create", "--name", "Bounded", "--json").json
    organization = made["organization"]["id"]
    said = site.ok("organizations", "update", organization, "--tokens-per-minute", "5000", "--name", "Bound").out
    assert said == f"Changed {organization} (Bound). Limits: 5000 tokens/min.\n"
    assert "5000 tokens/min" in site.ok("organizations", "list").out
    env = {"NODEXA_GRPC": site.served.quickstart["NODEXA_GRPC"], "NODEXA_API_KEY": made["secret"]}
    here = site.served.data.parent
    assert "5000 tokens/min" in nodexa("organizations", "show", cwd=here, env=env).out
    refused = nodexa("organizations", "update", organization, "--tokens-per-minute", "none", cwd=here, env=env)
    assert "[insufficient_scope" in refused.err


def test_the_audit_log_says_who_did_what(site: Site) -> None:
    made = site.ok("keys", "create", "--name", "noted", "--scope", "assistant", "--json").json
    key = made["api_key"]["id"]
    site.ok("keys", "update", key, "--tokens-per-minute", "100")
    site.ok("keys", "revoke", key)

    events = site.ok("audit", "list", "--limit", "3", "--json").json["audit_events"]
    assert [(event["act"], event["target_id"]) for event in events] == [
        ("api_key.revoke", key),
        ("api_key.update", key),
        ("api_key.create", key),
    ]
    listing = site.ok("audit", "list", "--limit", "3").out
    assert "limits.tokens_per_minute: 100" in listing
    assert made["secret"] not in site.ok("audit", "list", "--json").out
