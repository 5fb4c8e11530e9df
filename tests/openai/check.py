"""The service through the official client for Python: python check.py BASE_URL KEY MODEL_URL"""

import json
import sys
import time
import traceback
import urllib.request

import openai
from pydantic import BaseModel

base_url, key, model_url = sys.argv[1:]
client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0)

PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
CHAT_TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}]
TOOLS = [{"type": "function", "name": "weather", "strict": True, "parameters": PARAMETERS}]


class Place(BaseModel):
    city: str
    country: str


def ask(content, **more):
    messages = [{"role": "user", "content": content}]
    return client.chat.completions.create(model="any", messages=messages, **more)


def chat_models_are_listed():
    assert len(client.models.list().data) == 1


def chat_uses_a_servers_tool():
    answer = ask("What is 6*7?")
    assert answer.choices[0].message.content == "The results are 42.", answer
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens > 0
    assert answer.tool_runs[0]["is_error"] is False


def chat_streams_with_its_usage():
    chunks = list(ask("What is 6*7?", stream=True, stream_options={"include_usage": True}))
    words = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert words == "The results are 42.", words
    assert chunks[-1].usage.total_tokens > 0


def chat_hands_over_the_clients_calls():
    messages = [{"role": "user", "content": "Do both."}]
    first = client.chat.completions.create(model="any", messages=messages, tools=CHAT_TOOLS)
    assert first.choices[0].finish_reason == "tool_calls"
    (call,) = first.choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Rome"}
    messages.append(first.choices[0].message)
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "sunny"})
    second = client.chat.completions.create(model="any", messages=messages, tools=CHAT_TOOLS)
    assert second.choices[0].message.content == "The results are 42 and sunny.", second


def chat_hands_them_over_in_a_stream():
    messages = [{"role": "user", "content": "Do both."}]
    with client.chat.completions.stream(model="any", messages=messages, tools=CHAT_TOOLS) as stream:
        (call,) = stream.get_final_completion().choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Rome"}


def chat_answers_in_a_shape():
    messages = [{"role": "user", "content": "Name a place."}]
    answer = client.chat.completions.parse(model="any", messages=messages, response_format=Place)
    assert answer.choices[0].message.parsed == Place(city="Rome", country="Italy")


def chat_refuses_by_name_what_is_not_offered():
    try:
        ask("Hi", n=2)
    except openai.BadRequestError as error:
        assert (error.param, error.code) == ("n", "unsupported_parameter"), error.body
    else:
        raise AssertionError("it was not refused")


def chat_ends_the_models_answer_when_the_client_goes():
    before = abandoned()
    stream = ask("Be endless.", stream=True)
    next(chunk for chunk in stream if chunk.choices and chunk.choices[0].delta.content)
    stream.close()
    for _ in range(200):
        if abandoned() > before:
            return
        time.sleep(0.05)
    raise AssertionError("the model went on for 10 s")


def responses_use_a_servers_tool():
    response = client.responses.create(model="any", input="What is 6*7?")
    assert response.status == "completed"
    assert response.output_text == "The results are 42.", response
    assert [item.type for item in response.output] == ["mcp_call", "message"]


def responses_stream_as_the_client_puts_them_together():
    with client.responses.stream(model="any", input="What is 6*7?") as stream:
        kinds = [event.type for event in stream]
        response = stream.get_final_response()
    assert response.output_text == "The results are 42."
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed"), kinds


def responses_go_on_by_their_name():
    first = client.responses.create(model="any", input="Do both.", tools=TOOLS)
    (call,) = [item for item in first.output if item.type == "function_call"]
    assert json.loads(call.arguments) == {"city": "Rome"}
    output = [{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}]
    second = client.responses.create(
        model="any", previous_response_id=first.id, input=output, tools=TOOLS
    )
    assert second.output_text == "The results are 42 and sunny.", second
    assert client.responses.retrieve(second.id).output_text == second.output_text
    client.responses.delete(second.id)
    try:
        client.responses.retrieve(second.id)
    except openai.NotFoundError:
        return
    raise AssertionError("it is still there")


def responses_go_on_by_their_items():
    said = [{"role": "user", "content": "Do both."}]
    first = client.responses.create(model="any", input=said, tools=TOOLS, store=False)
    (call,) = [item for item in first.output if item.type == "function_call"]
    said += first.output
    said.append({"type": "function_call_output", "call_id": call.call_id, "output": "sunny"})
    second = client.responses.create(model="any", input=said, tools=TOOLS, store=False)
    assert second.output_text == "The results are 42 and sunny.", second


def responses_answer_in_a_shape():
    response = client.responses.parse(model="any", input="Name a place.", text_format=Place)
    assert response.output_parsed == Place(city="Rome", country="Italy")


def responses_say_that_they_forgot():
    try:
        client.responses.create(model="any", input="Hi", previous_response_id="resp_gone")
    except openai.NotFoundError as error:
        assert error.code == "previous_response_not_found", error.body
    else:
        raise AssertionError("it was not refused")


def abandoned():
    with urllib.request.urlopen(f"{model_url}/abandoned") as answer:
        return int(answer.read())


failed = 0
checks = [(name, one) for name, one in globals().items() if name.startswith(("chat_", "responses_"))]
for name, check in checks:
    try:
        check()
        print(f"python  ok      {name.replace('_', ' ')}", flush=True)
    except Exception:
        failed += 1
        print(f"python  FAILED  {name.replace('_', ' ')}", flush=True)
        traceback.print_exc()
sys.exit(failed != 0)
