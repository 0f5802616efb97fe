/* Tests that nothing which goes into a page as text comes out as markup, and that of a drawing only shapes and texts get in. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/memory.h"
#include "report/html.h"
#include "report/page_svg.h"

static void shows(const char *s, size_t n, const char *expected)
{
    text t = {0};
    html_escape(&t, s, n);
    assert_string_equal(text_str(&t), expected);
    assert_int_equal(t.n, strlen(expected));
    text_free(&t);
}
#define SHOWS(literal, expected) shows(literal, sizeof(literal) - 1, expected)

static void texts(void **state)
{
    (void)state;
    SHOWS("<script>alert('x')</script>", "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;");
    SHOWS("a & b &amp; \"c\" `d`", "a &amp; b &amp;amp; &quot;c&quot; &#96;d&#96;");
    SHOWS("--> ]]> <!--", "--&gt; ]]&gt; &lt;!--");
    SHOWS("a\0b", "a\\x00b");
    SHOWS("\x1b[31mred\r\n\tx", "\\x1B[31mred\\x0D\n\tx");
    SHOWS("\xc2\x9b\x7f", "\\x9B\\x7F");
    SHOWS("\xff\xc3(\xed\xa0\x80\xf4\x90\x80\x80\xc0\xbc",
          "\\xFF\\xC3(\\xED\\xA0\\x80\\xF4\\x90\\x80\\x80\\xC0\\xBC");
    SHOWS("\xe2\x82", "\\xE2\\x82"); /* cut in the middle */
    SHOWS("\xe2\x80\xae"
          "exe.txt",
          "[U+202E]exe.txt");
    SHOWS("a\xe2\x80\x8b\xef\xbb\xbf\xf3\xa0\x81\x81", "a[U+200B][U+FEFF][U+E0041]");
    SHOWS("\xef\xbf\xbf\xef\xb7\x90", "\xef\xbf\xbd\xef\xbf\xbd");
    SHOWS("gr\xc3\xbc\xc3\x9f \xe5\xad\xa6\xe4\xb9\xa0 \xf0\x9f\x90\xb1",
          "gr\xc3\xbc\xc3\x9f \xe5\xad\xa6\xe4\xb9\xa0 \xf0\x9f\x90\xb1");
    SHOWS("", "");
}

/* Long, and hostile in every byte. */
static void long_texts(void **state)
{
    (void)state;
    enum { LONG = 64 << 10 };
    char *s = malloc(LONG + 1);
    assert_non_null(s);
    for (size_t i = 0; i < LONG; i++) s[i] = "<>\"'&`\xff\x01"[i % 8];
    s[LONG] = '\0';
    html h = {0};
    html_open(&h, "td");
    html_attr(&h, "title", s);
    html_text(&h, s);
    html_close(&h);
    assert_true(text_starts(text_str(&h.out), "<td title=\"&lt;&gt;&quot;"));
    size_t tags = 0, quotes = 0;
    for (size_t i = 0; i < h.out.n; i++) {
        tags += h.out.s[i] == '<';
        quotes += h.out.s[i] == '"';
        assert_true(h.out.s[i] != '\'' && h.out.s[i] != '`' && (unsigned char)h.out.s[i] < 0x7F);
    }
    assert_int_equal(tags, 2);
    assert_int_equal(quotes, 2);
    text_free(&h.out);
    html_open(&h, "td");
    html_short(&h, s, 3);
    html_close(&h);
    assert_true(text_ends(text_str(&h.out), "...\">&lt;&gt;&quot;...</td>"));
    text_free(&h.out);
    free(s);
}

static void url(const char *given, const char *expected)
{
    html h = {0};
    text t = {0};
    html_open(&h, "a");
    html_url(&h, "href", given);
    html_close(&h);
    text_printf(&t, "<a href=\"%s\"></a>", expected);
    assert_string_equal(text_str(&h.out), text_str(&t));
    text_free(&h.out);
    text_free(&t);
}

static void urls(void **state)
{
    (void)state;
    url("#r12", "#r12");
    url("https://example.org/a?b=c&d=e", "https://example.org/a?b=c&amp;d=e");
    url("javascript:alert(1)", "#");
    url(" javascript:alert(1)", "#");
    url("JAVASCRIPT:alert(1)", "#");
    url("//elsewhere.org/x", "#");
    url("data:text/html,<script>", "#");
    url("data:image/svg+xml;base64,AAAA", "#");
    url("data:image/png;base64,iVBORw0=", "data:image/png;base64,iVBORw0=");
    url("#a\" onclick=\"x\n<\xff'", "#a%22%20onclick=%22x%0A%3C%FF%27");
}

static void elements(void **state)
{
    (void)state;
    html h = {0};
    html_open(&h, "p");
    html_attr(&h, "title", "\" onclick=\"x");
    html_textf(&h, "%d < %s", 1, "<2>");
    html_open(&h, "br");
    html_close(&h);
    html_element(&h, "b", NULL);
    html_close_to(&h, 0);
    assert_string_equal(text_str(&h.out),
                        "<p title=\"&quot; onclick=&quot;x\">1 &lt; &lt;2&gt;<br><b></b></p>\n");
    text_free(&h.out);
}

static void head(void **state)
{
    (void)state;
    text hash = {0};
    /* The base64 of the SHA-256 of "abc", FIPS 180-2, appendix B.1 */
    html_script_hash("abc", &hash);
    assert_string_equal(text_str(&hash), "'sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0='");
    text_free(&hash);
    html h = {0};
    assert_true(html_head(&h, "</title><script>x</script>", "p{}", "abc"));
    html_script(&h, "abc");
    html_close_to(&h, 0);
    assert_null(strstr(text_str(&h.out), "<script>x"));
    assert_non_null(strstr(text_str(&h.out), "default-src &#39;none&#39;; "));
    assert_non_null(strstr(text_str(&h.out),
                           "script-src &#39;sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=&#39;\""));
    assert_non_null(strstr(text_str(&h.out), "<script>abc</script>"));
    text_free(&h.out);
    assert_false(html_head(&h, "x", "p{} </style>", "abc"));
    assert_false(html_head(&h, "x", "p{}", "a <!-- b"));
    assert_false(html_head(&h, "x", "p{}", "'</script>'"));
    assert_int_equal(h.out.n, 0);
}

static bool draw(const char *svg, const char *expected)
{
    html h = {0};
    const page_svg_look look = {"c1-", "a \"chart\"", false};
    html_open(&h, "figure");
    const bool fine = page_svg(&h, svg, strlen(svg), &look);
    html_close(&h);
    assert_int_equal(h.depth, 0);
    text t = {0};
    if (fine)
        text_printf(&t, "<figure><svg role=\"img\" aria-label=\"a &quot;chart&quot;\"%s</figure>", expected);
    else
        text_add(&t, "<figure></figure>");
    assert_string_equal(text_str(&h.out), text_str(&t));
    text_free(&t);
    text_free(&h.out);
    return fine;
}

static void drawings(void **state)
{
    (void)state;
    assert_true(
        draw("<?xml version=\"1.0\"?>\n<!-- x --><!DOCTYPE svg>\n<svg width='9' height='9' viewBox='0 0 9 9' "
             "xmlns='http://www.w3.org/2000/svg' onload='alert(1)'>\n<desc>by "
             "<b>x</b></desc><title>Gnuplot</title>"
             "<defs><path id='p' d='M0,0  L1,1  '/></defs><g><g stroke='none'>\n</g></g>"
             "<g stroke='black' stroke-linecap='butt'><g stroke='black'><use xlink:href='#p'/></g></g>"
             "<text fill='rgb( 34,34, 34)'> a &lt; b &#x41;&amp;</text></svg>\n",
             " viewBox=\"0 0 9 9\"><defs><path id=\"c1-p\" d=\"M0,0 L1,1\"/></defs>"
             "<g stroke=\"var(--g0)\"><g><use href=\"#c1-p\"/></g></g>"
             "<text fill=\"var(--g1)\"> a &lt; b A&amp;</text></svg>"));
    /* Names where the pointer rests: what a script would show needs none. */
    assert_true(draw(
        "<svg><g onmousemove=\"gnuplot_svg.showHypertext(evt,'r1 &lt;b&gt;')\"><title> </title>"
        "<circle r='1' fill='#0072B2' stroke='#123456'/></g></svg>",
        "><g><title>r1 &lt;b&gt;</title><circle r=\"1\" fill=\"var(--c0)\" stroke=\"#123456\"/></g></svg>"));
    assert_true(draw(
        "<svg><g id='gnuplot_plot_1'><title>gnuplot_plot_1</title><path d='M0,0' style='fill:none; stroke : "
        "white;behavior:url(x);font-family:x'/></g></svg>",
        "><g id=\"c1-gnuplot_plot_1\"><path d=\"M0,0\" fill=\"none\" stroke=\"var(--g10)\"/></g></svg>"));
}

static void hostile_drawings(void **state)
{
    (void)state;
    assert_true(
        draw("<svg><script>alert(1)</script><script><![CDATA[ </svg> ]]></script><style>*{}</style>"
             "<foreignObject><body onload='x'/></foreignObject><a href='javascript:x'><path d='M0,0'/></a>"
             "<animate attributeName='href'/><svg><rect/></svg><rect/></svg>",
             "><rect/></svg>"));
    assert_true(draw(
        "<svg><image href='https://x.org/a.png'/><image href='data:image/svg+xml;base64,AA'/><image "
        "href='data:image/png;base64,AA'/><use href='x.svg#p'/><use href='#p&quot; onload=&quot;x'/></svg>",
        "><image/><image/><image href=\"data:image/png;base64,AA\"/><use/><use/></svg>"));
    assert_true(
        draw("<svg><rect fill='url(https://x.org)' clip-path='url(#c)' filter='url(#a) url(x)' onclick='x' "
             "class='a' id='\"&gt;' stroke='\\75rl(x)'/></svg>",
             "><rect clip-path=\"url(#c1-c)\"/></svg>"));
    assert_true(draw("<svg><text>&lt;script&gt;</text></svg>", "><text>&lt;script&gt;</text></svg>"));
    /* What is no drawing is not taken at all. */
    static const char *const broken[] = {"",
                                         "text",
                                         "<html></html>",
                                         "<svg>",
                                         "<svg><g></svg></g>",
                                         "<svg></svg><svg></svg>",
                                         "<svg><rect a=b/></svg>",
                                         "<svg><rect x='1/></svg>",
                                         "<svg><rect x='1'",
                                         "<svg><title>x</svg>",
                                         "<svg><![CDATA[x]]></svg>",
                                         "<svg><!-- </svg>",
                                         "<svg></g></svg>",
                                         "<svg><></></svg>"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) assert_false(draw(broken[i], ""));
    text deep = {0};
    text_add(&deep, "<svg>");
    for (int i = 0; i < 1000; i++) text_add(&deep, "<g>");
    assert_false(draw(text_str(&deep), ""));
    text_free(&deep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(long_texts),
        cmocka_unit_test(urls),
        cmocka_unit_test(elements),
        cmocka_unit_test(head),
        cmocka_unit_test(drawings),
        cmocka_unit_test(hostile_drawings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
