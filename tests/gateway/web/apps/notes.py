# A small application behind a log-in form with a CSRF token: Django, over TLS.
# usage: notes.py PORT CERTIFICATE KEY JOURNAL
# A POST to /forget ends every session at once, as a restart or a time limit does.
import logging
import sys
from pathlib import Path

import django
from django.conf import settings

port, certificate, key, journal = sys.argv[1:]
place = Path("data.sqlite3").absolute()
settings.configure(
    ALLOWED_HOSTS=["localhost"],
    SECRET_KEY="not-a-secret-of-anybody",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(place)}},
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "context_processors": ["django.template.context_processors.request"],
                "loaders": [
                    (
                        "django.template.loaders.locmem.Loader",
                        {
                            "registration/login.html": """<!doctype html><h1>Log in</h1>
<!-- <input type="hidden" name="csrfmiddlewaretoken" value="an old one"> -->
<form method="post">{% csrf_token %}{{ form.as_p }}<button>Log in</button></form>""",
                            "notes.html": """<!doctype html><h1>Notes of {{ request.user }}</h1>
<form method="post">{% csrf_token %}<input name="note"><button>Add</button></form>
<form method="post" action="/logout">{% csrf_token %}<button>Log out</button></form>""",
                        },
                    )
                ],
            },
        }
    ],
    ROOT_URLCONF=__name__,
    LOGIN_URL="/login",
    LOGIN_REDIRECT_URL="/notes",
    LOGOUT_REDIRECT_URL="/login",
    SESSION_COOKIE_SECURE=True,
    CSRF_COOKIE_SECURE=True,
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    USE_TZ=True,
)
django.setup()
logging.disable(logging.WARNING)

from django.contrib.auth import signals, views
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from werkzeug.serving import run_simple


def note(line):
    with open(journal, "a") as file:
        file.write(line + "\n")


@login_required
def notes(request):
    cookies = ",".join(sorted(request.COOKIES))
    text = request.POST.get("note", "")
    note(f"{request.method} notes {request.user} {text!r} {cookies}")
    return render(request, "notes.html")


@csrf_exempt
def forget(request):
    Session.objects.all().delete()
    return HttpResponse(status=204)


urlpatterns = [
    path("login", views.LoginView.as_view()),
    path("logout", views.LogoutView.as_view()),
    path("notes", notes),
    path("forget", forget),
]
signals.user_logged_in.connect(lambda user, **_: note(f"in {user}"), weak=False)
signals.user_logged_out.connect(lambda user, **_: note(f"out {user}"), weak=False)
signals.user_login_failed.connect(lambda **_: note("wrong"), weak=False)

call_command("migrate", verbosity=0)
if not User.objects.exists():
    User.objects.create_user("ops", password="lizard-Wednesday-Quartz-41")
run_simple("127.0.0.1", int(port), get_wsgi_application(), ssl_context=(certificate, key), threaded=True)
