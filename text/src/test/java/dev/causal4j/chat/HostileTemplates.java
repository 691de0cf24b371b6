package dev.causal4j.chat;

import dev.causal4j.TemplateException;
import dev.causal4j.Whole;
import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Renders templates that want too much, and prints for each what came of it and after how many milliseconds. */
final class HostileTemplates {
    private static final String LISTS = "{% set ns = namespace(l=[1], m=[1]) %}{% for i in range(90) %}"
            + "{% set ns.l = [ns.l, ns.l] %}{% set ns.m = [ns.m, ns.m] %}{% endfor %}";
    private static final String DICTS =
            LISTS.replace("[ns.l, ns.l]", "{'a': ns.l, 'b': ns.l}").replace("[ns.m, ns.m]", "{'a': ns.m, 'b': ns.m}");
    private static final String DEEP = "{% set ns = namespace(l=[1], m=[1]) %}{% for i in range(90000) %}"
            + "{% set ns.l = [ns.l] %}{% set ns.m = [ns.m] %}{% endfor %}";
    private static final String KEEP =
            "{% set ns = namespace(l=[]) %}{% for i in range(100000) %}{% for j in range(100) %}"
                    + "{% set ns.l = [ns.l, KEPT] %}{% endfor %}{% endfor %}";

    /** Each macro keeps the variables of the place that it was defined in, and the one before. */
    private static final String MACROS =
            "{% set ns = namespace(f=none) %}{% for i in range(1000) %}{% for j in range(100) %}{% set old = ns.f %}"
                    + IntStream.range(0, 300)
                            .mapToObj(i -> "{% set a" + i + " = j %}")
                            .collect(Collectors.joining())
                    + "{% macro f() %}{% endmacro %}{% set ns.f = f %}{% endfor %}{% endfor %}";

    static final List<String> ALL = List.of(
            MACROS,
            "{% for a in range(100000) %}{% for b in range(100000) %}{% for c in range(100000) %}{% endfor %}{% endfor %}{% endfor %}",
            "{% set r = range(1000) %}{% for a in r %}{% for b in r %}{% for c in r %}{% set x = c %}{% endfor %}{% endfor %}{% endfor %}",
            "{% for a in [1] %}".repeat(90)
                    + "{% for b in range(100000) %}{% for c in range(100000) %}{{ no }}{% endfor %}{% endfor %}"
                    + "{% endfor %}".repeat(90),
            "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
            "{% set ns = namespace(s='你') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
            "{% for i in range(100000) %}{{ 'x' * 10000 }}{% endfor %}",
            "{% for i in range(90000) %}" + "x".repeat(5000) + "{% endfor %}",
            LISTS + "{{ ns.l }}",
            LISTS + "{{ ns.l == ns.m }}",
            LISTS + "{{ ns.l in [ns.m] }}",
            LISTS + "{{ ns.l | tojson(indent=2) }}",
            DICTS + "{{ ns.l | tojson }}",
            DICTS + "{{ ns.l == ns.m }}",
            LISTS.replace("[ns.l, ns.l]", "(ns.l, ns.l)") + "{{ {ns.l: 1} }}",
            DEEP + "{{ ns.l }}",
            DEEP + "{{ ns.l == ns.m }}",
            DEEP + "{{ ns.l | tojson }}",
            "{% set ns = namespace() %}{% set ns.l = [ns] %}{{ ns.l == ns.l }}{{ ns.l }}",
            KEEP.replace("KEPT", "i ~ '', j ~ ''"),
            KEEP.replace("KEPT", "{'a': i}"),
            KEEP.replace("KEPT", "messages[0].items()"),
            KEEP.replace("KEPT", "range(1000) | list"),
            KEEP.replace("{% set ns.l", "{% set s %}" + "y".repeat(999) + "{% endset %}{% set ns.l")
                    .replace("KEPT", "s"),
            "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
            "{% macro m(n) %}{{ " + "[".repeat(80) + "m(n + 1)" + "]".repeat(80) + " }}{% endmacro %}{{ m(0) }}",
            "{% macro m(n) %}{% set x %}" + "{% if 1 %}".repeat(60) + "{{ 1 + 2 * (3 ~ (not m(n))) }}"
                    + "{% endif %}".repeat(60) + "{% endset %}{{ x }}{% endmacro %}{{ m(0) }}",
            "{% macro f(n) %}{% if n > 1 %}{{ f(n - 1) }}{{ f(n - 2) }}{% endif %}{% endmacro %}{{ f(90) }}",
            "{{ range(0, 10000000000) | length }}",
            "{{ range(-1, 9223372036854775807) | length }}",
            "{{ 'abc' * 1000000000000 }}",
            "{{ [1] * 1000000000 }}",
            "{{ 9 ** 999999999 }}",
            "{% set ns = namespace(n=3) %}{% for i in range(1000) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
            "{{ 'a' | indent(1000000000) }}{{ 'a\\nb' | indent(1000000000) }}",
            "{{ ('a\\n' * 1000000) | indent(1000) }}",
            "{{ [[[[1]]]] | tojson(indent=1000000000) }}",
            "{{ range(100000) | join('x' * 10000) }}",
            "{{ ('a' * 1000000) | replace('a', 'b' * 10000) }}",
            "{{ ('a' * 1000000).replace('aaaaaaaaaaaaaaaab' * 10000, 'b') }}",
            "{% set s = 'a' * 4000000 %}{% set p = 'a' * 300 ~ 'b' %}{% for i in range(100000) %}{{ p in s }}{% endfor %}",
            "{{ ('a' * 1000000).strip('b' * 1000000 ~ 'a') }}",
            "{{ ('a ' * 10000000).split() | length }}",
            "{% for c in 'a' * 20000000 %}{% endfor %}",
            "{% set ns = namespace(l=range(100000)) %}{% for i in range(100000) %}{% set ns.l = ns.l[::-1] %}{% endfor %}",
            "{% set s = 'a' * 10000000 %}{% for i in range(100000) %}{% set x = s[1:] %}{% endfor %}",
            "{% set s = 'a' * 100000 %}{% set ns = namespace(l=[]) %}{% for i in range(200) %}{% set ns.l = ns.l + [s ~ i] %}"
                    + "{% endfor %}{% for i in range(1000) %}{% set x = ns.l | sort %}{% endfor %}",
            "{{ range(100000) | unique | list | length }}",
            "{% set ns = namespace(l=[1]) %}{% for i in range(90000) %}{% set ns.l = ns.l | map('string') %}{% endfor %}{{ ns.l | list }}",
            "{% set ns = namespace(l=[1]) %}{% for i in range(90000) %}{% set ns.l = [ns.l | map('list')] %}{% endfor %}{{ ns.l[0] | list }}",
            "{% set s = 'ß' * 10000000 %}{% for i in range(100000) %}{% set x = s | upper %}{% endfor %}",
            "{% set s = '\u0130' * 10000000 %}{% for i in range(100000) %}{% set x = s | lower %}{% endfor %}",
            "{{ ('\\x01' * 10000000) | tojson }}",
            "{% for i in range(100000) %}{% for j in range(100) %}{% generation %}{% endgeneration %}{% endfor %}{% endfor %}",
            "{{ ('9' * 1000000) | int }}",
            "{{ " + "(".repeat(90000) + "1" + ")".repeat(90000) + " }}",
            "{% if 1 %}".repeat(40000),
            "{{ " + "not ".repeat(90000) + "1 }}",
            "{{ " + "-".repeat(90000) + "1 }}",
            "{% if 0 %}" + "{% elif 0 %}".repeat(30000) + "{% endif %}",
            "{{ 1" + " + 1".repeat(90000) + " }}",
            "{{ 'a'" + " | upper".repeat(40000) + " }}",
            "{{ messages" + ".a".repeat(90000) + " }}",
            "{{ range" + "(1)".repeat(90000) + " }}",
            "{{ " + "'a' ".repeat(90000) + " }}",
            "{{ '" + "\\'".repeat(90000) + "' }}",
            "{% set s = ' ' * 4000000 %}"
                    + "{% for i in range(100000) %}{% for j in range(100) %}{% set x = s | trim %}{% endfor %}{% endfor %}",
            "{% set s = ' ' * 4000000 %}"
                    + "{% for i in range(100000) %}{% for j in range(100) %}{% set x = s | int %}{% endfor %}{% endfor %}",
            "{% set s = '9' * 390 ~ 'e-99' %}"
                    + "{% for i in range(100000) %}{% for j in range(100) %}{% set x = s | int %}{% endfor %}{% endfor %}",
            "{% set s = 'a' * 9000000 %}{% set d = {s: 1} %}{% set t = 'a' * 9000000 %}"
                    + "{% for i in range(100000) %}{% for j in range(100) %}{% set x = d[t] %}{% endfor %}{% endfor %}",
            "{% set s = 'a' * 9000000 %}{% set t = 'a' * 9000000 %}"
                    + "{% for i in range(100000) %}{% for j in range(100) %}{% set x = s.startswith(t) %}{% endfor %}{% endfor %}",
            "{% set m = 2 ** 6900 - 1 %}{% set n = 2 ** 3000 + 1 %}"
                    + "{% for i in range(100000) %}{% for j in range(100) %}{% set x = m // n %}{% endfor %}{% endfor %}",
            ""
                    + "{% for i in range(100000) %}{% for j in range(100) %}{% set x = 5e-324 | int %}{% endfor %}{% endfor %}",
            "{% set s = '.' * 1000000 %}{% for i in range(100000) %}{% set x = [1] | map(attribute=s) | list %}{% endfor %}",
            "{{ strftime_now('%A' * 10000000) }}",
            "{% set big = {" + digits()
                    + "} %}{% set ns = namespace(d=0) %}{% for i in range(100000) %}{% set ns.d = namespace(big, d=ns.d) %}{% endfor %}",
            "{% set big = {" + digits() + "} %}{% for i in range(100000) %}{% set x = dict(" + "big,".repeat(9000)
                    + ") %}{% endfor %}",
            "{% set t = [1.2345678901e-300] * 100000 %}{% for i in range(100000) %}{% set x = t | string %}{% endfor %}",
            "{% set t = [1] * 100000 %}{% for i in range(100000) %}{% set x = t | select('even') | list %}{% endfor %}",
            "{% for i in range(1000) %}" + "{% set x = 'a'.split() %}".repeat(1000) + "{% endfor %}",
            "{#".repeat(100000),
            "{% raw %}".repeat(40000));

    private HostileTemplates() {}

    /** A third of them in {@code ./check}. */
    static List<String> some() {
        return IntStream.range(0, ALL.size())
                .filter(i -> Whole.RUN || i % 3 == 2)
                .mapToObj(ALL::get)
                .toList();
    }

    /** The members of a large dict. */
    private static String digits() {
        return IntStream.range(0, 20_000).mapToObj(i -> i + ":1").collect(Collectors.joining(","));
    }

    static String outcome(String template) {
        try {
            ChatTemplate parsed = ChatTemplate.parse("hostile", template, Map.of());
            return "text of "
                    + parsed.render(List.of(new Message("user", "x")), null, true, Map.of())
                            .text()
                            .length();
        } catch (TemplateException e) {
            return String.valueOf(e.getMessage());
        }
    }

    public static void main(String[] args) {
        for (String template : some()) {
            long start = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
            String outcome = outcome(template);
            long end = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
            System.out.println((end - start) / 1_000_000 + " " + outcome);
        }
    }
}
