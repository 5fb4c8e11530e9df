"""Serves one GGUF file with llama.cpp's HTTP server (OpenAI, Responses and Anthropic dialects).

Listens on 127.0.0.1 only, as model "local". Ends on SIGTERM, on Ctrl-C, and when the process that
started it ends in whatever way, so that it is never left behind.
MCP_MODEL_API_KEY in the environment makes the server ask for that bearer token.
"""

import argparse
import os
import signal
import sys
import threading
import time

PARENT = os.getppid()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="the GGUF file")
    parser.add_argument("--template", required=True, help="the Jinja chat template")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--context", type=int, default=8192, help="tokens per slot")
    parser.add_argument("--slots", type=int, default=1, help="requests served at the same time")
    parser.add_argument("--threads", type=int, default=min(4, os.cpu_count() or 1))
    return parser.parse_args()


def parameters(p, args):
    p.model.path = args.model
    p.model_alias = "local"
    p.hostname, p.port = "127.0.0.1", args.port
    p.n_ctx, p.n_parallel = args.context * args.slots, args.slots
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = args.threads
    p.use_jinja = True
    with open(args.template, encoding="utf-8") as template:
        p.chat_template = template.read()
    p.endpoint_metrics = True
    p.webui = False
    p.offline = True
    p.warmup = False
    # Used only where a request does not say: greedy, and never without an end.
    p.sampling.temp = 0.0
    p.n_predict = 1024
    if key := os.environ.get("MCP_MODEL_API_KEY"):
        p.api_keys = [key]
    return p


def end_with_parent():
    while True:
        time.sleep(0.5)
        if os.getppid() != PARENT:
            os._exit(0)


def end_on_signals():
    # The default action works at once, also while the weights load; there is nothing to save.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def main():
    args = arguments()
    end_on_signals()
    threading.Thread(target=end_with_parent, daemon=True).start()

    import xllamacpp

    server = xllamacpp.Server(parameters(xllamacpp.CommonParams(), args))
    # Again: the engine has put handlers of its own that do not end the process.
    end_on_signals()
    if not server.listening_address:
        sys.exit(f"the engine does not listen on 127.0.0.1:{args.port}")
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
