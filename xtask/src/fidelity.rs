//! Faults that users met in agents, each shown by a test, as a table that can be published.

use std::collections::BTreeMap;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::{process, test};

/// A fault, the package and the test that would fail if we had it.
struct Fault {
    what: &'static str,
    ours: &'static str,
    package: &'static str,
    test: &'static str,
}

const fn fault(
    what: &'static str,
    ours: &'static str,
    package: &'static str,
    test: &'static str,
) -> Fault {
    Fault { what, ours, package, test }
}

const AGENT: &str = "mcp-agent";
const TESTS: &str = "mcp-tests";

const FAULTS: &[Fault] = &[
    fault(
        "Only the first page of tools is read",
        "all pages, in an order that never changes",
        AGENT,
        "toolbox::fidelity_tests::all_pages_sorted_and_schemas_whole",
    ),
    fault(
        "`$ref`, `required` and `$defs` of a schema are lost",
        "the schema reaches the model whole",
        AGENT,
        "toolbox::fidelity_tests::all_pages_sorted_and_schemas_whole",
    ),
    fault(
        "`isError: true` is read as success",
        "an error is an error for the model",
        AGENT,
        "toolbox::results::tests::an_error_is_an_error",
    ),
    fault(
        "A picture or a resource link fails the call",
        "both reach the model",
        AGENT,
        "toolbox::fidelity_tests::pictures_links_and_log_messages_come_through",
    ),
    fault(
        "A log message before the result fails the call",
        "it is heard, and the result arrives",
        AGENT,
        "toolbox::fidelity_tests::pictures_links_and_log_messages_come_through",
    ),
    fault(
        "After a timeout the next call gets the late answer",
        "a late answer reaches nobody else",
        TESTS,
        "bad_input::a_late_answer_reaches_nobody_else",
    ),
    fault(
        "One bad server and there are no tools at all",
        "one failing server stops no other",
        TESTS,
        "hub::starting::one_failing_server_stops_no_other",
    ),
    fault(
        "Tool names differ on every start",
        "names depend on server and tool alone",
        AGENT,
        "toolbox::names::tests::independent_of_the_other_tools",
    ),
    fault(
        "Names over 64 characters, or two tools of one name",
        "every scheme fits, is distinct and leads back (property test)",
        AGENT,
        "toolbox::named::tests::every_scheme_fits_is_distinct_and_leads_back",
    ),
    fault(
        "The tools fill the model's window",
        "counted, then searched: a fifth of the tokens per finished task",
        AGENT,
        "toolbox::search::tests::a_finished_task_costs_a_fraction_and_the_prefix_stays",
    ),
    fault(
        "Cached prefixes are lost when tools change",
        "what is found is appended, and offered in the next prompt too",
        AGENT,
        "toolbox::search::tests::what_was_revealed_is_offered_in_the_next_prompt_too",
    ),
    fault(
        "A huge result takes the window, or is lost",
        "cut as JSON, kept whole, and read on by the model",
        AGENT,
        "toolbox::results::tests::what_is_cut_is_kept_and_can_be_read",
    ),
    fault(
        "Pictures are not counted",
        "counted and limited",
        AGENT,
        "toolbox::results::tests::tokens_and_pictures_are_counted_too",
    ),
    fault(
        "Arguments encoded twice are passed on",
        "undone, in fences too",
        AGENT,
        "toolbox::arguments::tests::reads_what_models_write",
    ),
    fault(
        "`\"00713\"` becomes 713",
        "converted only where there is one way",
        AGENT,
        "toolbox::arguments::tests::coerces_only_where_there_is_one_way",
    ),
    fault(
        "Wrong arguments come back as a server's riddle",
        "the model is told the path and the rule",
        AGENT,
        "toolbox::arguments::tests::an_argument_that_does_not_fit_is_named_by_its_path",
    ),
    fault(
        "An unknown tool ends the run",
        "an error result with the nearest names",
        AGENT,
        "run::tests::an_unknown_tool_is_an_error_result_with_near_names",
    ),
    fault(
        "Structured content is sent twice, or not at all",
        "told once",
        AGENT,
        "toolbox::results::tests::structured_content_is_told_once",
    ),
    fault(
        "What is for people only reaches the model",
        "`audience` is honoured",
        AGENT,
        "toolbox::results::tests::what_is_for_people_stays_with_them",
    ),
    fault(
        "Only the first of several calls runs",
        "all run, side by side, results in order",
        AGENT,
        "agent::tests::calls_of_a_turn_run_side_by_side_and_keep_their_order",
    ),
    fault(
        "A call without a result corrupts the history",
        "a call always has an answer",
        AGENT,
        "transcript::tests::a_call_always_has_an_answer",
    ),
    fault(
        "The same call two hundred times",
        "noticed, told, stopped",
        AGENT,
        "run::tests::going_round_in_circles_is_noticed_told_and_stopped",
    ),
    fault(
        "A tool that is polled is taken for a loop",
        "news is no loop",
        AGENT,
        "run::tests::a_poll_with_news_goes_on",
    ),
    fault(
        "The work is lost at the step limit",
        "words and results are kept",
        AGENT,
        "run::tests::the_step_limit_keeps_the_words_and_the_results",
    ),
    fault(
        "A resource changes and the conversation goes on with the old one",
        "read again, and told between turns",
        AGENT,
        "context::tests::a_conversation_hears_of_changes_between_its_turns",
    ),
    fault(
        "Context grows beyond its budget",
        "never exceeded (property test)",
        AGENT,
        "context::tests::the_budget_is_never_exceeded",
    ),
    fault(
        "A plan with a circle or a missing step begins",
        "refused before anything runs",
        AGENT,
        "plan::execute::tests::what_cannot_run_is_refused_before_anything_does",
    ),
    fault(
        "A provider is busy and the run is over",
        "asked again when it says, over all four APIs",
        AGENT,
        "model::hosted::tests::a_busy_provider_is_asked_again",
    ),
    fault(
        "An answer breaks off, and half a call is made or the run is lost",
        "asked for again, never made from half its arguments",
        AGENT,
        "model::hosted::tests::broken::a_call_that_breaks_off_is_not_made_but_asked_for_again",
    ),
    fault(
        "Calls of one answer share an id, or have none",
        "told apart, each with its result",
        AGENT,
        "model::hosted::tests::broken::calls_without_ids_get_their_results_under_ids_of_our_own",
    ),
    fault(
        "A refusal, a filter or a limit reads as an answer",
        "an outcome of its own, and no call of it runs",
        AGENT,
        "model::hosted::tests::ends::each_end_is_an_outcome_of_its_own",
    ),
    fault(
        "Pictures of tools are lost, or sent as text",
        "in the result, as the provider takes them",
        AGENT,
        "model::anthropic::tests::a_whole_conversation",
    ),
    fault(
        "Ctrl-C leaves a history that providers refuse",
        "in order after every event of a run",
        TESTS,
        "cancelling::at_any_moment_the_history_is_in_order_and_goes_on",
    ),
    fault(
        "Words in the middle of a run are lost",
        "heard once, before the end, at every event of a run",
        TESTS,
        "steering::words_at_any_moment_are_heard_once_before_the_end",
    ),
    fault(
        "A program that was killed does its work twice",
        "the same outcome, one effect for each call (SIGKILL at random)",
        TESTS,
        "killed::killed_anywhere_it_ends_the_same",
    ),
    fault(
        "A reconnect or another order of tools loses the cached prefix",
        "byte for byte the same start of each request",
        TESTS,
        "prompt_prefix::the_start_of_a_request_outlives_whatever_servers_do",
    ),
    fault(
        "A session that a server forgot never comes back",
        "opened again, once for all callers",
        TESTS,
        "sessions::a_forgotten_session_is_opened_again_once_for_all_callers",
    ),
    fault(
        "A budget of calls is not kept",
        "the sixth call of five is refused, and the model is told",
        AGENT,
        "run::tests::spending::the_sixth_call_of_five_is_refused_and_the_model_is_told",
    ),
    fault(
        "An approved call never runs, or runs as something else",
        "approved in another process, and bound to what was shown",
        AGENT,
        "store::sqlite::tests::an_approval_can_be_given_in_another_process",
    ),
    fault(
        "Writes at one server overtake each other",
        "in the model's order, reads side by side",
        AGENT,
        "agent::lanes::tests::only_what_writes_at_the_same_server_waits",
    ),
    fault(
        "A tool changes after it was agreed to",
        "kept from the model until it is accepted",
        AGENT,
        "toolbox::pins::tests::what_changes_is_in_quarantine_until_it_is_accepted",
    ),
    fault(
        "Typed answers and tools exclude each other",
        "both, in three ways, corrected a bounded number of times",
        TESTS,
        "structured_output::tools_then_a_wrong_answer_then_a_tool_again_then_the_right_one",
    ),
];

/// Runs the tests and prints the table, in Markdown.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if !arguments.is_empty() {
        bail!("there are no arguments");
    }
    let passed = outcomes()?;
    println!("| Fault | Here | Shown by |");
    println!("|---|---|---|");
    let mut failed = 0;
    for fault in FAULTS {
        let Fault { what, ours, package, test } = fault;
        let word = match passed.get(*test) {
            Some(true) => "✔",
            Some(false) => "✘ fails:",
            None => "✘ no such test:",
        };
        failed += usize::from(passed.get(*test) != Some(&true));
        println!("| {what} | {word} {ours} | {package} `{test}` |");
    }
    if failed > 0 {
        bail!("{failed} of {} faults are not shown to be absent", FAULTS.len());
    }
    eprintln!("fidelity: {} faults are absent", FAULTS.len());
    Ok(())
}

/// Which tests ran, and whether they passed.
fn outcomes() -> Result<BTreeMap<String, bool>> {
    let filters: Vec<_> = FAULTS.iter().map(|fault| format!("test(={})", fault.test)).collect();
    // The packages are those of all tests, so that what these built is used again.
    let mut command = process::cargo(["nextest", "run", "--lib", "--test", "it"]);
    command.args(["--test", "agent"]).args(test::WORKSPACE);
    command.args(["--color=never", "--no-fail-fast", "--status-level=all", "-E"]);
    command.arg(filters.join(" + ")).stderr(Stdio::piped());
    eprintln!("running the tests of {} faults", FAULTS.len());
    let output = command.output().context("cannot start cargo nextest")?;
    let text = String::from_utf8_lossy(&output.stderr);
    let mut outcomes = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let passed = match words.next() {
            Some("PASS") => true,
            Some("FAIL" | "SIGABRT" | "TIMEOUT") => false,
            _ => continue,
        };
        if let Some(name) = words.last() {
            outcomes.insert(name.to_owned(), passed);
        }
    }
    if outcomes.is_empty() {
        bail!("no test ran:\n{text}");
    }
    Ok(outcomes)
}
