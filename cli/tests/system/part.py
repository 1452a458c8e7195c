"""A part for the supervisor's tests: answers 200 on its port, and misbehaves as told.

python part.py PORT [--says FILE] [--exit CODE] [--die-after SECONDS] [--deaf] [--child FILE]
"""

import argparse
import http.server
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        if arguments.says:
            self.wfile.write(arguments.says.read_bytes())

    def log_message(self, *_):
        pass


parser = argparse.ArgumentParser()
parser.add_argument("port", type=int)
parser.add_argument("--says", type=Path, help="answer with what stands in this file")
parser.add_argument("--exit", type=int, dest="code")
parser.add_argument("--die-after", type=float)
parser.add_argument("--deaf", action="store_true", help="do not end on SIGTERM")
parser.add_argument("--child", type=Path, help="start a child, and write its pid here")
arguments = parser.parse_args()

sys.stdout.write(f"hello from {os.environ['PART']}\n")
sys.stdout.flush()
if arguments.code is not None:
    sys.stdout.write("cannot work like this\n")
    sys.exit(arguments.code)
if arguments.child:
    child = subprocess.Popen(["sleep", "600"])
    arguments.child.write_text(str(child.pid))
signal.signal(signal.SIGTERM, signal.SIG_IGN if arguments.deaf else lambda *_: os._exit(0))
if arguments.die_after is not None:
    threading.Timer(arguments.die_after, lambda: os._exit(7)).start()
http.server.ThreadingHTTPServer(("127.0.0.1", arguments.port), _Answer).serve_forever()
