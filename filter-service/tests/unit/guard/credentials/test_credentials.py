"""Credentials: tokens by their form and values by their name; digests, placeholders and code are none."""

import random
import string

import pytest

from stile_filter.guard.credentials import Credentials, credential

_RANDOM = random.Random(7)  # noqa: S311 -- made-up tokens


def made(count, alphabet=string.ascii_letters + string.digits):
    """Make a token at run time, so that no scanner of repositories takes this file for a leak."""
    return "".join(_RANDOM.choice(alphabet) for _ in range(count))


UPPER = string.ascii_uppercase + "234567"
HEX = "0123456789abcdef"

TOKENS = {
    "aws": "AKIA" + made(16, UPPER),
    "aws example": "AKIAIOSFODNN7" + "EXAMPLE",
    "github": "ghp_" + made(36),
    "github fine": "github_pat_" + made(22) + "_" + made(59),
    "gitlab": "glpat-" + made(20),
    "slack bot": f"xoxb-{made(12, string.digits)}-{made(12, string.digits)}-{made(24)}",
    "slack hook": f"https://hooks.slack.com/services/T{made(8, UPPER)}/B{made(10, UPPER)}/{made(24)}",
    "stripe": "sk_live_" + made(24),
    "openai": "sk-proj-" + made(48),
    "openai old": "sk-" + made(48),
    "anthropic": "sk-ant-api03-" + made(93),
    "google": "AIza" + made(35),
    "jwt": f"eyJhbGciOiJIUzI1NiJ9.eyJ{made(40)}.{made(43)}",
    "npm": "npm_" + made(36),
    "pypi": "pypi-AgEIcHlwaS5vcmcC" + made(60),
    "hugging face": "hf_" + made(34),
    "sendgrid": f"SG.{made(22)}.{made(43)}",
    "twilio": "SK" + made(32, HEX),
    "telegram": f"{made(10, '123456789')}:AA{made(33)}",
    "azure": "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=" + made(86) + "==;",
    "private key": "-----BEGIN RSA PRIVATE KEY-----\n" + "\n".join(made(64) for _ in range(4)),
    "private key in JSON": r"-----BEGIN PRIVATE KEY-----\n" + made(64) + r"\n",
    "openssh key": "-----BEGIN OPENSSH PRIVATE KEY-----\n" + made(70),
    "encrypted key": "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0\n\n"
    + made(64),
    "pgp key": "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n\n" + made(64),
    "nats seed": "SUA" + made(55, UPPER),
}

ASSIGNED = [
    "POSTGRES_PASSWORD: hunter2",
    "POSTGRES_PASSWORD=mysecretpassword",
    "services:\n  db:\n    environment:\n      POSTGRES_PASSWORD: 'Tr0ub4dor&3'",
    "    - MYSQL_ROOT_PASSWORD=correcthorse",
    "export DB_PASS=zebra-lamp-93",
    "set AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzkey",
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzkey",
    '{"user": "ada", "password": "swordfish"}',
    '{"password":"123456"}',
    r"{\"password\": \"hunter22\"}",
    "password: hunter2",
    "Password: hunter2",
    "password = 'opensesame'",
    "[mail]\npassword = k9!mmer",
    "spring.datasource.password=pg4dmin99",
    "db.password: pg4dmin99",
    'dbPassword: "winterfell"',
    "const apiKey = 'a81bc81b-dead-4e5d-abff-90865d1e13b1';",
    'api_key: "9f86d081884c7d659a2feaa0c55ad015"',
    "API-Key: 9f86d081884c7d65",
    "X-API-Key: 9f86d081884c7d65",
    "client_secret=8d7f6a5s4d3f2g1h",
    "SECRET_KEY = 'django-insecure-4f8z!q2w3e'",
    'password: str = "Sommer2031!"',
    "Passwort: Sommer2031!",
    "contraseña: perro1234",
    "mot de passe : soleil77",
    "senha=futebol10",
    "пароль: zima2031",
    "密码:abc12345",
    "my password is hunter22, why can't I log in?",
    "<password>hunter2</password>",
    "Server=db;Database=shop;User Id=sa;Password=Pa55w.rd;",
    "jdbc:mysql://db/shop?user=root&password=k9zebra1",
    "postgres://shop:k9zebra1@db:5432/shop",
    "mongodb+srv://ada:Winter-7@cluster0.example.net/shop",
    "redis://:k9zebra1@cache:6379/0",
    "https://ada:k9zebra1@git.example.org/shop.git",
    "Authorization: Bearer 8d7f6a5s4d3f2g1h0j9k",
    "curl -u ada:k9zebra1 https://example.org",
    "mysql --user root --password k9zebra1",
    "mysql --password=k9zebra1",
    "sshpass -p k9zebra1 ssh ada@host",
    "ENV DB_PASSWORD k9zebra1",
    "env:\n- name: DB_PASSWORD\n  value: k9zebra1",
    '{"name": "API_TOKEN", "value": "k9zebra1x"}',
    "machine example.org login ada password k9zebra1",
    "CREATE USER ada IDENTIFIED BY 'k9zebra1';",
    "ALTER ROLE ada WITH PASSWORD 'k9zebra1';",
    "GITHUB_TOKEN=abcdefghijkl1234",
    "token: k9zebra1x2y3z4",
]

HARMLESS = [
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "FROM python@sha256:2b0079146a74e23bf4ae8f6a28e1b484c6292f6fb904cbb51825b4a19812fcd8",
    "docker pull nginx@sha256:2b0079146a74e23bf4ae8f6a28e1b484c6292f6fb904cbb51825b4a19812fcd8",
    "d41d8cd98f00b204e9800998ecf8427e  empty.txt",
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "git checkout 9fceb02",
    "request 123e4567-e89b-12d3-a456-426614174000 failed",
    '"integrity": "sha512-z4PhNX7vuL3xVULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="',
    'wheels = [{ url = "a.whl", hash = "sha256:01ba4719c80b6fe911b091a7c05124b64eeece964e09c0" }]',
    'checksum = "b0b0c1a2d3e4f5061728394a5b6c7d8e9f00112233445566778899aabbccddee"',
    "github.com/pkg/errors v0.9.1 h1:FEBLx1zS214owpjy7qsBeixbURkuhQAwrK5UwLGTwt4=",
    '<script src="a.js" integrity="sha384-oqVuAfXR5uykM6+R9GqQ8K/uxy9rx7HNQlGYl1kPzQho1wx4JwY8wC"></script>',
    'ETag: "33a64df551425fcc55e4d42a148795d9f25f89d4"',
    "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDbA9dEaEWnZ3xbuxs ada@host (ED25519)",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ada@host",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
    "0x742d35Cc6634C0532925a3b844Bc454e4438f44e",
    "DE89 3704 0044 0532 0130 00",
    "9780131103627",
    "password: ********",
    "password: <password>",
    "password: <your password here>",
    "POSTGRES_PASSWORD: ${POSTGRES_PASSWORD}",
    "POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:-changeme}",
    "POSTGRES_PASSWORD=$DB_PASS",
    "POSTGRES_PASSWORD: changeme",
    "POSTGRES_PASSWORD: example",
    "POSTGRES_PASSWORD: your_password_here",
    "POSTGRES_PASSWORD=$(cat /run/secrets/db)",
    "POSTGRES_PASSWORD_FILE: /run/secrets/db_password",
    "password: {{ vault_password }}",
    "password: !vault |",
    "password: required",
    "Password: at least 8 characters",
    "password: 8 to 64 characters",
    '"password": "string"',
    '"password": "Password is required"',
    '"password": {"type": "string", "minLength": 8}',
    '<input type="password" name="password" autocomplete="current-password">',
    "password = input('Password: ')",
    "password = getpass.getpass()",
    "password=password",
    "self.password = password",
    "user.token = token",
    "token = tokens[i]",
    "token: Token | None = None",
    "let token = lexer.next_token();",
    "def login(user: str, password: str) -> Token:",
    "api_key=os.environ['OPENAI_API_KEY']",
    "apiKey: process.env.OPENAI_API_KEY",
    "client = OpenAI(api_key=api_key)",
    "OPENAI_API_KEY=sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "OPENAI_API_KEY=sk-...",
    "OPENAI_API_KEY=your-api-key",
    "max_tokens: 1024",
    "next_token: eyJsYXN0IjoiMTIifQ",
    "pad_token: [PAD]",
    "eos_token = '</s>'",
    "token_count = 50256",
    "secretName: my-tls-secret",
    "secretKeyRef:\n  name: db\n  key: password",
    "password_hash: $2b$12$KIXQ4u0Jt8mT1h1cP7bB7uKQ5b8F7kq1Jc0wQ1yQ1Q1Q1Q1Q1Q1Q1",
    "postgres://user:password@localhost:5432/db",
    "postgres://postgres:postgres@localhost/postgres",
    "postgres://$USER:$PASSWORD@db/shop",
    "https://user:<token>@github.com/a/b.git",
    "http://localhost:8000/a@b",
    "Authorization: Bearer <token>",
    "Authorization: Bearer $TOKEN",
    "Authorization: Bearer YOUR_ACCESS_TOKEN",
    "curl -u user:pass https://example.org",
    "curl -u $USER:$PASS https://example.org",
    "mysql -u root -p",
    "mysql --password",
    "stile login --token TOKEN",
    "What does -----BEGIN PRIVATE KEY----- mean at the top of a file?",
    "-----BEGIN CERTIFICATE-----\nMIIB" + "QWxhZGRpbjpvcGVu" * 8,
    "-----BEGIN PUBLIC KEY-----\nMIIB" + "QWxhZGRpbjpvcGVu" * 8,
    "What is the secret of a good pizza dough?",
    "The password is wrong. My password is not accepted.",
    "the password is case-sensitive and is 12 characters long",
    "Is a passport: 2 years valid? The compass: north. The bypass: closed2day1.",
    "boarding pass: gate B42",
    "first pass: O(n log n), second pass: O(n)",
    "Das Passwort ist falsch.",
    "Secret: add two teaspoons of vinegar.",
    "token: a unit of text, about 4 characters",
    "the GITHUB_TOKEN secret is created for each run",
    "uses: actions/checkout@v4\nwith:\n  token: ${{ secrets.GITHUB_TOKEN }}",
    "How do I keep a secret?",
    "raise ValueError(\"Cannot pass 'force_download=True' when offline\")",
    "info = Api(token=token).info(repo_id=repo_id2)",
    "--- PASS: TestLogin2 (0.00s)",
    "PWD=/home/ada/project1",
    "key-value store, sk-learn, hf_hub, AIzawl, SKU 12345678, SG.1, eyJ is base64 for {",
]


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_is_known_by_its_form(name):
    """It is found alone, in a sentence and in quotes."""
    token = TOKENS[name]
    for text in (token, f"My key is {token} and it fails.", f'{{"a": "{token}"}}'):
        assert credential(text) is not None, text


@pytest.mark.parametrize("text", ASSIGNED)
def test_what_is_assigned_to_a_name_is_found(text):
    """In the notations of env files, YAML, JSON, INI, code, command lines and connection strings."""
    found = credential(f"Why does this fail?\n{text}\nThanks")
    assert found is not None
    assert 0 < found.start < found.end


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_one_passes(text):
    """Digests, identifiers, placeholders, variables, code and sentences."""
    assert credential(text) is None


def test_as_a_scanner():
    """It stands in a policy beside LLM-Guard's."""
    assert Credentials().scan("plain") == ("plain", True, 0.0)
    leak = "POSTGRES_PASSWORD: hunter2"
    assert Credentials().scan(leak) == (leak, False, 1.0)
