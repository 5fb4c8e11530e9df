#![expect(clippy::needless_pass_by_value, reason = "plans read better unborrowed")]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use serde_json::{Map, json};
use tokio::sync::Barrier;

use super::{super::*, *};
use crate::{
    model::{
        BoxFuture, ToolDefinition,
        scripted::{Scene, ScriptedModel},
    },
    toolbox::{Json, LocalTools, ProgressSink, ToolError, ToolFacts, ToolSnapshot},
};

fn definition(name: &str) -> ToolDefinition {
    ToolDefinition {
        name: name.into(),
        description: String::new(),
        parameters: json!({"type": "object", "properties": {"n": {"type": "integer"}}}).into(),
    }
}

fn plan(steps: Value) -> Plan {
    serde_json::from_value(json!({"goal": "test", "steps": steps})).unwrap()
}

fn problems(steps: Value) -> Vec<PlanProblem> {
    let tools = LocalTools::new().dynamic(definition("t"), |_| async { "" });
    plan(steps).check(&tools).unwrap_err().problems
}

#[test]
fn what_cannot_run_is_refused_before_anything_does() {
    assert_eq!(problems(json!([])), [PlanProblem::Empty]);
    let missing = |step: &str, missing: &str| PlanProblem::MissingDependency {
        step: step.into(),
        missing: missing.into(),
    };
    assert_eq!(
        problems(json!([{"id": "a", "tool": "t", "depends_on": ["b"]}])),
        [missing("a", "b")]
    );
    assert_eq!(
        problems(json!([{"id": "a", "tool": "t", "arguments": {"n": "{{gone.x}}"}}])),
        [missing("a", "gone")]
    );
    let circle = json!([
        {"id": "a", "tool": "t", "depends_on": ["c"]}, {"id": "b", "tool": "t", "arguments": {"n": "{{a}}"}},
        {"id": "c", "tool": "t", "depends_on": ["b"]}, {"id": "free", "tool": "t"},
    ]);
    let steps = vec!["a".to_owned(), "b".into(), "c".into()];
    assert_eq!(problems(circle), [PlanProblem::Cycle { steps }]);
    let several = problems(json!([
        {"id": "a", "tool": "none"}, {"id": "a", "tool": "t"}, {"id": "b", "tool": "t", "arguments": {"n": "x"}},
    ]));
    assert!(
        matches!(
            several.as_slice(),
            [
                PlanProblem::Name { .. },
                PlanProblem::UnknownTool { .. },
                PlanProblem::Arguments { .. }
            ]
        ),
        "{several:?}"
    );
}

#[tokio::test]
async fn independent_steps_run_side_by_side_and_results_flow() {
    // Neither returns before the other has begun.
    let both = Arc::new(Barrier::new(2));
    let tools = LocalTools::new().dynamic(definition("meet"), move |arguments| {
        let both = Arc::clone(&both);
        async move {
            both.wait().await;
            Json(json!({"n": arguments["n"]}))
        }
    });
    let tools = tools.dynamic(definition("twice"), |arguments: Map<String, Value>| async move {
        Json(json!(arguments["n"].as_i64().unwrap() * 2))
    });
    let checked = plan(json!([
        {"id": "end", "tool": "twice", "arguments": {"n": "{{right#/n}}"}, "depends_on": ["left"]},
        {"id": "left", "tool": "meet", "arguments": {"n": 1}},
        {"id": "right", "tool": "meet", "arguments": {"n": "21"}},
    ]))
    .check(&tools)
    .unwrap();
    assert_eq!(checked.waves(), [vec!["left".to_owned(), "right".into()], vec!["end".into()]]);
    let mut run = PlanRun::new(checked);
    assert!(run.execute(&tools).await);
    assert_eq!(run.output("end"), Some(&json!(42)));
}

fn failing(works: &Arc<AtomicBool>, calls: &Arc<Mutex<Vec<Value>>>) -> LocalTools {
    let (works, calls) = (Arc::clone(works), Arc::clone(calls));
    let tools = LocalTools::new().dynamic(definition("fragile"), move |_| {
        let works = works.load(Ordering::SeqCst);
        async move { if works { Ok("fine") } else { Err("broken") } }
    });
    tools.dynamic(definition("note"), move |arguments| {
        calls.lock().unwrap().push(Value::Object(arguments));
        async { "noted" }
    })
}

#[tokio::test]
async fn each_policy_of_failure_and_resuming() {
    let steps = |policy: &str| {
        plan(json!([
            {"id": "a", "tool": "fragile", "on_failure": policy},
            {"id": "other", "tool": "note", "arguments": {"n": 7}},
            {"id": "z", "tool": "note", "arguments": {"text": "{{a}}"}},
            {"id": "zz", "tool": "note", "arguments": {"n": 8}, "depends_on": ["other"]},
        ]))
    };
    for (policy, dependent_runs, others_run) in
        [("stop", false, false), ("skip", false, true), ("continue", true, true)]
    {
        let (works, calls) = (Arc::default(), Arc::default());
        let tools = failing(&works, &calls);
        let mut run = PlanRun::new(steps(policy).check(&tools).unwrap());
        assert!(!run.execute(&tools).await, "{policy}");
        assert_eq!(run.output("z").is_some(), dependent_runs, "{policy}");
        assert_eq!(run.output("zz").is_some(), others_run, "{policy}");
        assert!(run.output("other").is_some());
        if !dependent_runs {
            let skipped = StepOutcome::Skipped { because_of: "a".into() };
            assert_eq!(run.outcomes()["z"], skipped, "{policy}");
        }
        // Written down, read elsewhere, gone on with: what ended well does not run again.
        works.store(true, Ordering::SeqCst);
        let before = calls.lock().unwrap().len();
        let mut run: PlanRun = serde_json::from_str(&serde_json::to_string(&run).unwrap()).unwrap();
        assert!(run.execute(&tools).await, "{policy}");
        let missing = usize::from(!dependent_runs) + usize::from(!others_run);
        assert_eq!(calls.lock().unwrap().len() - before, missing, "{policy}");
    }
}

#[tokio::test]
async fn a_model_is_told_what_is_wrong_with_its_plan() {
    let tools = LocalTools::new().dynamic(definition("t"), |_| async { "done" });
    let bad = r#"{"goal": "g", "steps": [{"id": "a", "tool": "t", "depends_on": ["b"]}]}"#;
    let good = r#"{"goal": "g", "steps": [{"id": "a", "tool": "t", "purpose": "to see"}]}"#;
    let model =
        ScriptedModel::new([Scene::call("submit_plan", bad), Scene::call("submit_plan", good)]);
    let checked = ask(&model, "see", &tools).await.unwrap();
    assert_eq!(checked.plan().steps[0].purpose, "to see");
    let told = format!("{:?}", model.requests()[1].messages);
    assert!(told.contains("`a` needs `b`, which is no step"), "{told}");

    let stubborn = ScriptedModel::new((0..3).map(|_| Scene::call("submit_plan", bad)));
    let error = ask(&stubborn, "see", &tools).await.unwrap_err();
    assert!(matches!(error, AskError::Invalid(_)), "{error:?}");
}

/// Tools of which the results are described.
#[derive(Debug)]
struct Described(LocalTools, Value);

impl Toolset for Described {
    fn snapshot(&self) -> Arc<ToolSnapshot> {
        self.0.snapshot()
    }

    fn facts(&self, name: &str) -> ToolFacts {
        let mut facts = ToolFacts::new(name);
        facts.output_schema = Some(self.1.clone().into());
        facts
    }

    fn call(
        &self,
        call: PreparedCall,
        progress: ProgressSink,
    ) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        self.0.call(call, progress)
    }
}

#[tokio::test]
async fn what_results_have_is_known_before_anything_runs() {
    let tools = |more: Value| {
        let tools =
            LocalTools::new().dynamic(definition("t"), |_| async { Json(json!({"sum": 1})) });
        let mut schema = json!({"type": "object", "properties": {"sum": {"type": "integer"}}});
        schema.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Described(tools, schema)
    };
    let steps = |reference: &str| json!([{"id": "a", "tool": "t"}, {"id": "b", "tool": "t", "arguments": {"n": reference}}]);
    let (open, closed) = (tools(json!({})), tools(json!({"additionalProperties": false})));
    // A field that is forbidden is refused, one that nobody spoke of is not.
    let problem = PlanProblem::LeadsNowhere {
        step: "b".into(),
        reference: "a.total".into(),
        of: "a".into(),
        shape: "an object with `sum`".into(),
    };
    let refused = plan(steps("{{ a.total }}")).check(&closed).unwrap_err();
    assert_eq!(refused.problems, std::slice::from_ref(&problem));
    plan(steps("{{a.sum}}")).check(&closed).unwrap();
    plan(steps("{{a.total}}")).check(&open).unwrap();
    // A model is held to what it was told.
    let submits = |reference: &str| {
        Scene::call("submit_plan", json!({"steps": steps(reference)}).to_string())
    };
    let model = ScriptedModel::new([submits("{{a.total}}"), submits("{{a.sum}}")]);
    let checked = ask(&model, "add", &open).await.unwrap();
    let [first, second] = model.requests().try_into().unwrap();
    let instructions = format!("{:?}", first.messages[0]);
    assert!(instructions.contains("result: {") && instructions.contains("sum"), "{instructions}");
    let told = format!("{:?}", second.messages);
    assert!(told.contains(&problem.to_string()), "{told}");
    let mut run = PlanRun::new(checked);
    assert!(run.execute(&open).await);
}
