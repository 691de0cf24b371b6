package dev.causal4j.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.TemplateException;
import dev.causal4j.json.Json;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TextTemplateTest {
    private static String render(String source, Map<String, ?> variables) {
        return TextTemplate.parse("t", source).render(variables);
    }

    @Test
    void lineFeedsOfBlocksAndOfTheEndAreKept() {
        assertThat(render("{% if a %}\n  {% set b = 1 %}\nx{{ b }}\n  {%- endif %}\n\n", Map.of("a", true)))
                .isEqualTo("\n  \nx1\n\n");
        assertThat(render("a\n{#- c #}\nb\r\n{% raw %}\n{{ x }}{% endraw %}\n", Map.of()))
                .isEqualTo("a\nb\n\n{{ x }}\n");
    }

    @Test
    void listsHaveIndexes() {
        Map<String, ?> arc = Map.of("choices", Map.of("label", List.of("1", "2")), "key", "2", "ok", true);
        assertThat(render("{{choices.label.index(key)}} {{[0, 1.0, 2].index(ok)}}", arc))
                .isEqualTo("1 1");
        assertThatThrownBy(() -> render("{{choices.label.index('3')}}", arc))
                .isInstanceOf(TemplateException.class)
                .hasMessage("t, line 1: expected an item of the list, got \"3\"; correct the template or the messages");
    }

    @Test
    void textsHavePlaces() {
        assertThat(render("{{'\uD83C\uDF88BCD'.index(key)}} {{key.find('x')}} {{key.find('C')}}", Map.of("key", "C")))
                .isEqualTo("2 -1 0");
        assertThatThrownBy(() -> render("{{'ABCD'.index(key)}}", Map.of("key", "E")))
                .isInstanceOf(TemplateException.class)
                .hasMessageContaining("expected a part of the text, got \"E\"");
        assertThatThrownBy(() -> render("{{key|tojson}}", Map.of("key", "E")))
                .isInstanceOf(TemplateException.class)
                .hasMessageContaining("Jinja's own tojson");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{{ a }}",
                "{% if a %}{% endif %}",
                "{% for x in a %}{% endfor %}",
                "{{ a == 1 }}",
                "{{ 1 == a }}",
                "{{ 'x' ~ a }}",
                "{{ a|length }}",
                "{{ a|int }}",
                "{{ a|trim }}",
                "{{ d.b }}",
                "{{ d['b'] }}",
                "{{ l[3] }}",
                "{{ a.b }}",
                "{{ not a }}",
                "{{ raise_exception('x') }}",
                "{{ strftime_now('%Y') }}"
            })
    void theUseOfAnUndefinedValueIsRefused(String source) {
        assertThatThrownBy(() -> render(source, Map.of("d", Map.of("c", 1), "l", List.of(1))))
                .isInstanceOf(TemplateException.class);
    }

    @Test
    void anUndefinedValueMayBeAskedFor() {
        assertThat(render("{{ a is defined }} {{ a|default('x') }} {{ d.b is undefined }}", Map.of("d", Map.of())))
                .isEqualTo("False x True");
    }

    @Test
    void literalsAreThoseOfPython() {
        assertThat(TextTemplate.literal("t", "['a\\'b', \"c\\n\" 'd', -1, 2.5, True, None, (1,), ('x'), {'k': [1]}]"))
                .isEqualTo(
                        List.of("a'b", "c\nd", -1L, 2.5, true, Json.NULL, List.of(1L), "x", Map.of("k", List.of(1L))));
        assertThat(TextTemplate.literal("t", "-7")).isEqualTo(-7L);
        assertThat(TextTemplate.literal("t", "'a', 'b'")).isEqualTo(List.of("a", "b"));
        assertThat(TextTemplate.literal("t", "'a',")).isEqualTo(List.of("a"));
        assertThat(TextTemplate.literal("t", "[\"it's\", 'caf\u00e9']")).isEqualTo(List.of("it's", "caf\u00e9"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "[",
                "[1",
                "[1]]",
                "a",
                "[a]",
                "true",
                "f(1)",
                "1 + 1",
                "[1 2]",
                "-'a'",
                "{1}",
                "'a' }}{{ 'b'",
                "rue",
                "--1",
                "[1][0]"
            })
    void whatIsNoLiteralIsRefused(String text) {
        assertThatThrownBy(() -> TextTemplate.literal("t", text)).isInstanceOf(TemplateException.class);
    }

    @Test
    void deepLiteralsAreRefused() {
        assertThatThrownBy(() -> TextTemplate.literal("t", "[".repeat(10_000))).isInstanceOf(TemplateException.class);
    }

    @ParameterizedTest
    @CsvSource({"1e-05,1.0E-5", "-10.951937305338003,-10.951937305338003", "1e+22,1e22", "0.1,0.1", "5.0,5"})
    void numbersPrintAsInPython(String expected, double number) {
        assertThat(TextTemplate.print(number)).isEqualTo(expected);
    }

    @Test
    void valuesPrintAsInPython() {
        assertThat(TextTemplate.print(List.of("a", "it's", 1, true, Json.NULL)))
                .isEqualTo("['a', \"it's\", 1, True, None]");
        assertThat(TextTemplate.json(Json.object("a", List.of(1, "\u00e9\n"), "b", Map.of())))
                .isEqualTo("{\n  \"a\": [\n    1,\n    \"\u00e9\\n\"\n  ],\n  \"b\": {}\n}");
    }
}
