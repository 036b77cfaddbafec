from django.urls import path

from portal.accounts import home, people, views

app_name = "accounts"

# /
urlpatterns = [
    path("sign-in/", views.sign_in, name="sign-in"),
    path("sign-out/", views.sign_out, name="sign-out"),
    path("account/", views.account, name="account"),
    path("account/password/", views.password, name="password"),
    path("account/tokens/", views.create_token, name="token-new"),
    path("account/tokens/<uuid:token_id>/end/", views.end_token, name="token-end"),
    path("t/<slug:team>/running/", home.running, name="running"),
    path("t/<slug:team>/settings/", people.team_settings, name="team-settings"),
    path("t/<slug:team>/settings/models/", people.allow, name="team-allow"),
    path("t/<slug:team>/settings/people/", people.add, name="person-add"),
    path("t/<slug:team>/settings/people/<uuid:user_id>/role/", people.role, name="person-role"),
    path(
        "t/<slug:team>/settings/people/<uuid:user_id>/remove/", people.remove, name="person-remove"
    ),
]
