//! Child processes in each program's way.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    super::{Dialect, Template, Variable},
    Writer,
};

impl Writer<'_> {
    pub(super) fn stdio(
        &mut self,
        command: &Template,
        args: &[Template],
        env: &BTreeMap<String, Template>,
        env_file: Option<&Template>,
        cwd: Option<&Template>,
    ) {
        let dialect = self.spelling.dialect;
        let command = self.spelling.text("command", command);
        let args: Vec<_> = args.iter().map(|arg| self.spelling.text("args", arg)).collect();
        match dialect {
            Dialect::OpenCode => {
                self.put("type", "local");
                let words: Vec<_> = std::iter::once(command).chain(args).collect();
                self.put("command", words);
            }
            Dialect::MistralRs => {
                let source = json!({"type": "Process", "command": command, "args": args});
                self.put("source", source);
            }
            Dialect::Goose => {
                self.put("type", "stdio");
                self.put("cmd", command);
                self.put("args", args);
            }
            _ => {
                match dialect {
                    Dialect::VsCode => self.put("type", "stdio"),
                    Dialect::Zed => self.put("source", "custom"),
                    _ => {}
                }
                self.put("command", command);
                self.put_list("args", &args);
            }
        }
        self.environment(env);
        if let Some(file) = env_file {
            let file = self.spelling.text("envFile", file);
            match dialect {
                Dialect::Cursor | Dialect::VsCode | Dialect::ClaudeCode => {
                    self.put("envFile", file);
                }
                _ => self.spelling.lost("its file of variables"),
            }
        }
        if let Some(cwd) = cwd {
            let cwd = self.spelling.text("cwd", cwd);
            match dialect {
                Dialect::MistralRs => self.object["source"]["work_dir"] = cwd.into(),
                Dialect::ClaudeCode
                | Dialect::VsCode
                | Dialect::Codex
                | Dialect::Gemini
                | Dialect::OpenCode => self.put("cwd", cwd),
                _ => self.spelling.lost("its folder"),
            }
        }
    }

    fn environment(&mut self, env: &BTreeMap<String, Template>) {
        let by_name = match self.spelling.dialect {
            Dialect::Codex => Some("env_vars"),
            Dialect::Goose => Some("env_keys"),
            _ => None,
        };
        let mut named = Vec::new();
        let mut values = Map::new();
        for (name, template) in env {
            let same = matches!(
                template.as_variable(),
                Some(Variable::Environment { name: variable, default: None }) if variable == name
            );
            if by_name.is_some() && same {
                named.push(name.clone());
            } else {
                let text = self.spelling.text(&format!("env.{name}"), template);
                values.insert(name.clone(), text.into());
            }
        }
        if let Some(key) = by_name {
            self.put_list(key, &named);
        }
        if values.is_empty() {
            return;
        }
        match self.spelling.dialect {
            Dialect::Goose => self.put("envs", values),
            Dialect::OpenCode => self.put("environment", values),
            Dialect::MistralRs => self.object["source"]["env"] = Value::Object(values),
            _ => self.put("env", values),
        }
    }
}
