"""Templates and UI modules in handlers."""

import types

import pytest

from tornadolike import template, web

PAGE = "<html><head><title>t</title></head><body>{% block body %}{% end %}</body></html>"


@pytest.fixture(autouse=True)
def _no_loaders():
    web.RequestHandler._template_loaders.clear()
    yield
    web.RequestHandler._template_loaders.clear()


class Rich(web.UIModule):
    made = 0

    def __init__(self, handler):
        super().__init__(handler)
        Rich.made += 1

    def render(self, text):
        return f"[{text} {self.current_user} {self.locale.code}]"

    def embedded_javascript(self):
        return "js()"

    def javascript_files(self):
        return ["/a.js", "http://x.test/b.js?a&b", "/a.js"]

    def embedded_css(self):
        return ".x{}"

    def css_files(self):
        return "/a.css"

    def html_head(self):
        return "<meta>"

    def html_body(self):
        return "<i>"


class Second(web.UIModule):
    def render(self):
        return "<second>"

    def javascript_files(self):
        return "/second.js"


def page(text, **methods):
    loader = template.DictLoader({"page.html": text, "piece.html": methods.pop("piece", "")})

    class Page(web.RequestHandler):
        def get(self):
            self.render("page.html", given="<given>")

        def get_current_user(self):
            return "me"

        def create_template_loader(self, template_path):
            return loader

    return Page


async def test_modules_put_their_resources_into_the_page(ask):
    Rich.made = 0
    text = PAGE.replace("{% block body %}{% end %}", "{% module Rich(1) %}{% module Rich(2) %}{% module Second() %}{{ '</body>' }}")
    answer = await ask(page(text), ui_modules=[{"Rich": Rich}, {"Second": Second, "not": 3}], template_path="x")
    assert answer.text == (
        "<html><head><title>t</title>"
        '<link href="/a.css" type="text/css" rel="stylesheet"/>\n'
        '<style type="text/css">\n.x{}\n</style>\n'
        "<meta>\n"
        "</head><body>[1 me en_US][2 me en_US]<second>&lt;/body&gt;"
        '<script src="/a.js" type="text/javascript"></script>'
        '<script src="http://x.test/b.js?a&amp;b" type="text/javascript"></script>'
        '<script src="/second.js" type="text/javascript"></script>\n'
        '<script type="text/javascript">\n//<![CDATA[\njs()\n//]]>\n</script>\n'
        "<i>\n"
        "</body></html>"
    )
    assert Rich.made == 1


async def test_template_modules(ask):
    piece = (
        "{{ set_resources(embedded_css='.p{}', css_files=['/1.css', '/2.css'], javascript_files='/1.js', "
        "embedded_javascript='p()', html_head='<h>', html_body='<b>') }}({{ n }})"
    )
    text = PAGE.replace("{% block body %}{% end %}", "{% module Template('piece.html', n=1) %}{% module Template('piece.html', n=2) %}")
    answer = await ask(page(text, piece=piece), template_path="x")
    assert "(1)(2)" in answer.text
    for once in (".p{}", "/1.css", "/2.css", "/1.js", "p()", "<h>", "<b>"):
        assert answer.text.count(once) == 1, once


async def test_template_modules_say_the_same_each_time(ask, logs):
    text = "{% module Template('piece.html', n=1) %}{% module Template('piece.html', n=2) %}"
    assert (await ask(page(text, piece="{{ set_resources(css_files=str(n)) }}"), template_path="x")).status == 500
    assert "different resources" in str(logs.take("tornado.application", "Uncaught").exc_info[1])
    logs.take("tornado.access", "500")


async def test_ui_methods_and_the_namespace(ask):
    def shout(handler, text):
        return f"{text.upper()} {handler.request.path}"

    methods = types.ModuleType("methods")
    methods.shout, methods._hidden, methods.Upper, methods.number = shout, shout, shout, 3
    text = (
        "{{ shout('a') }} {{ given }} {{ current_user }} {{ handler.ui.shout('b') }} {{ _('x') }} "
        "{{ reverse_url('r') }} {{ request.method }}"
    )
    app = web.Application([web.url("/r", page(text), name="r")], ui_methods=methods, template_path="x")
    assert sorted(app.ui_methods) == ["shout"]
    assert (await ask(app, "/r")).text == "A /r &lt;given&gt; me B /r x /r GET"


async def test_builtin_modules(ask):
    text = "{% module linkify('see http://a.test') %}{% module xsrf_form_html() %}"
    answer = await ask(page(text), template_path="x")
    assert answer.text.startswith('see <a href="http://a.test">http://a.test</a><input type="hidden" name="_xsrf"')


async def test_modules_by_attribute(ask):
    seen = []

    class Page(web.RequestHandler):
        def get(self):
            assert self.ui is self.ui
            for missing in (lambda: self.ui.modules.nothing, lambda: self.ui["modules"]["nothing"]):
                with pytest.raises((AttributeError, KeyError)) as caught:
                    missing()
                seen.append(caught.type)
            self.write(self.ui.modules.Second() + self.ui.modules["Second"]())

        def on_finish(self):
            seen.append(self.ui is None)

    answer = await ask(Page, ui_modules={"Second": Second})
    assert answer.text == "<second><second>"
    assert seen == [AttributeError, KeyError, False]


async def test_a_page_without_a_body_tag(ask, logs):
    assert (await ask(page("{% module Second() %}"), ui_modules={"Second": Second}, template_path="x")).status == 500
    assert logs.take("tornado.application", "Uncaught").exc_info[0] is ValueError
    logs.take("tornado.access", "500")


async def test_linked_files_are_static_files(ask, tmp_path):
    (tmp_path / "a.js").write_text("1")

    class Page(web.RequestHandler):
        def get(self):
            self.write(self.render_linked_js(["a.js", "a.js"]) + self.render_linked_css(["https://a.test/"]))

    app = web.Application([("/", Page)], static_path=str(tmp_path))
    text = (await ask(app)).text
    assert text.count('<script src="/static/a.js?v=') == 1
    assert '<link href="https://a.test/" type="text/css" rel="stylesheet"/>' in text


def test_is_absolute():
    assert [web.is_absolute(path) for path in ("/a", "http://a", "https://a", "a/b", "ftp:x")] == [True, True, True, False, False]


async def test_templates_stand_beside_the_handlers_source(ask, tmp_path):
    (tmp_path / "beside.html").write_text("beside {{ 1 + 1 }}")
    source = "from tornadolike import web\nclass Page(web.RequestHandler):\n    def get(self):\n        self.render('beside.html')\n"
    names = {}
    exec(compile(source, str(tmp_path / "handlers.py"), "exec"), names)
    assert (await ask(names["Page"])).text == "beside 2"
    assert list(web.RequestHandler._template_loaders) == [str(tmp_path)]


async def test_loader_settings(ask, tmp_path):
    (tmp_path / "p.html").write_text("{{ '<' }}   x")

    class Page(web.RequestHandler):
        def get(self):
            self.write(self.render_string("p.html"))

    settings = {"template_path": str(tmp_path), "autoescape": None, "template_whitespace": "all", "compiled_template_cache": False}
    assert (await ask(Page, **settings)).text == "<   x"
    (tmp_path / "p.html").write_text("new")
    assert (await ask(Page, **settings)).text == "new"
    web.RequestHandler._template_loaders.clear()
    settings["template_loader"] = template.DictLoader({"p.html": "from the loader"})
    assert (await ask(Page, **settings)).text == "from the loader"


def test_modules_have_to_render():
    with pytest.raises(NotImplementedError):
        web.UIModule.render(None)
