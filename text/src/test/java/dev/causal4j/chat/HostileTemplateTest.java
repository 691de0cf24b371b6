package dev.causal4j.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.sun.management.ThreadMXBean;
import dev.causal4j.JavaProcess;
import dev.causal4j.TemplateException;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.time.Clock;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class HostileTemplateTest {
    private static final int MOST_MILLISECONDS = 2000; // of a processor

    /** In a process with little memory: none may exhaust it, or the stack. */
    @Test
    void everyHostileTemplateEndsSoonInALittleMemory() throws IOException, InterruptedException {
        List<String> lines =
                JavaProcess.run(0, List.of("-Xmx128m", "-XX:+UseSerialGC", "-Xbatch"), HostileTemplates.class);

        assertThat(lines).hasSize(HostileTemplates.some().size()).allSatisfy(line -> {
            assertThat(line).matches("[0-9]+ (text of [0-9]+|hostile.*: expected .*, got .*; .*)");
            assertThat(Integer.parseInt(line.substring(0, line.indexOf(' '))))
                    .as(line)
                    .isLessThan(MOST_MILLISECONDS);
        });
    }

    @Test
    void controlTokensInMessagesAreCountedBeforeTheyAreHidden() {
        ChatTemplate template = ChatTemplate.plain().withControlTokens(List.of("<s>", "</s>"));
        List<Message> many =
                List.of(new Message("user", "<s>".repeat(60_000)), new Message("user", "<s>".repeat(40_001)));
        assertThatExceptionOfType(IllegalArgumentException.class)
                .isThrownBy(() -> template.render(many, null, true, Map.of()))
                .withMessage("message: expected at most 100000 control tokens, got more; leave them out");
        assertThat(template.render(many.subList(0, 1), null, true, Map.of()).untrusted())
                .isNotEmpty();
    }

    @Test
    void aLongControlTokenThatIsRepeatedIsRefused() {
        String token = "<" + "x".repeat(5000) + ">";
        ChatTemplate template = ChatTemplate.parse("hostile", "{{ messages[0].content * 100000 }}", Map.of())
                .withControlTokens(List.of(token));

        assertThatExceptionOfType(TemplateException.class)
                .isThrownBy(() -> template.render(List.of(new Message("user", token)), null, true, Map.of()))
                .withMessageContaining("at most 16000000 characters with control tokens, got more;");
    }

    /** A template of a size: what it prepares, and the part that is measured. */
    record Attack(String name, IntFunction<String> prepared, IntFunction<String> part) {
        static Attack listOf(String prepared, String item) {
            return new Attack(item, n -> prepared, n -> "{% set x = [" + (item + ", ").repeat(n) + "] %}");
        }

        static Attack of(String prepared, String part) {
            return new Attack(part, n -> prepared.replace("N", "" + n), n -> part.replace("N", "" + n));
        }

        @Override
        public String toString() {
            return name;
        }
    }

    /** The work that a rendering counted, the bytes that it allocated, and its time of a processor. */
    private record Cost(long counted, long bytes, long nanoseconds) {
        static Cost of(String template) {
            Node program = new Parser("hostile", template, Lexer.Blanks.TRIMMED).parse();
            Rendering x = new Rendering(
                    "hostile", Clock.systemUTC(), new Untrusted(List.of()), new HashMap<>(Builtins.FUNCTIONS));
            ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            long bytes = threads.getCurrentThreadAllocatedBytes();
            long begun = threads.getCurrentThreadCpuTime();
            x.run(program);
            long ended = threads.getCurrentThreadCpuTime();
            return new Cost(x.steps + x.characters, threads.getCurrentThreadAllocatedBytes() - bytes, ended - begun);
        }

        static Cost of(Attack attack, int size) {
            String prepared = attack.prepared.apply(size);
            return of(prepared + attack.part.apply(size)).less(of(prepared));
        }

        static Cost ofDoubling(Attack attack, int size) {
            of(attack, 1); // loads the classes
            return of(attack, 2 * size).less(of(attack, size));
        }

        Cost less(Cost other) {
            return new Cost(counted - other.counted, bytes - other.bytes, nanoseconds - other.nanoseconds);
        }
    }

    static Stream<Attack> longWork() {
        return Stream.of(
                Attack.of("{% set t = ('a',) * N %}", "{% set x = 'x'.startswith(t) %}"),
                Attack.of(
                        "{% set a = {'y' * N: 1, 'p': 1} %}{% set b = {'y' * N: 1, 'q': 1} %}", "{% set x = a == b %}"),
                Attack.of("{% set n = namespace({'y' * N: 1}) %}{% set k = 'y' * N %}", "{% set x = n[k] %}"),
                Attack.of(
                        "{% set s = 'y' * N %}{% set t = 'y' * N ~ 'x' %}",
                        "{% set x = [s]|select('in', t)|list|length %}"));
    }

    @ParameterizedTest
    @MethodSource("longWork")
    void workCountsByItsSize(Attack attack) {
        int size = 1 << 14;

        assertThat(Cost.ofDoubling(attack, size).counted).isGreaterThanOrEqualTo(size / Rendering.RUN);
    }

    @Test
    void keysOfOneHashAreFoundAsSoonAsOthers() {
        String same = lookUps("Aa".repeat(12).hashCode());
        String other = lookUps(1);
        List<Long> times = Stream.of(other, same, other, same)
                .map(each -> Cost.of(each).nanoseconds)
                .toList();

        assertThat(times.get(3)).isLessThan(5 * times.get(2) + 10_000_000);
    }

    /** Looks 20,000 numbers up in a dict of 1,500 numbers of a hash, and 1,500 texts of one hash. */
    private static String lookUps(int hash) {
        String members = IntStream.range(1, 1501)
                .mapToObj(i -> ((long) i << 32 | ((hash ^ i) & 0xffffffffL)) + ":0, '"
                        + String.format("%12s", Integer.toBinaryString(i))
                                .replace(" ", "0")
                                .replace("0", "Aa")
                                .replace("1", "BB")
                        + "':0")
                .collect(Collectors.joining(","));
        long missing = 9000L << 32 | ((hash ^ 9000) & 0xffffffffL);
        return "{% set d = {" + members + "} %}{% set x = ([" + missing + "] * 20000)|select('in', d)|list %}";
    }

    @Test
    void aLongNameIsRefused() {
        String name = "y".repeat(1001);

        assertThat(HostileTemplates.outcome("{% set " + name + " = 1 %}"))
                .contains("a name of at most 1000 characters");
        assertThat(HostileTemplates.outcome("{{ messages." + name + " }}"))
                .contains("a name of at most 1000 characters");
    }

    /** A test or filter of each item has the arguments of all, without a copy. */
    @Test
    void argumentsAreNotCopiedForEachItem() {
        Attack attack =
                Attack.of("{% set t = ('x',) * N %}", "{% set x = [1, 2, 3, 4, 5, 6, 7, 8]|select('none', *t)|list %}");

        assertThat(Cost.ofDoubling(attack, 1 << 14).bytes).isLessThan(30L << 14);
    }

    static Stream<Attack> largeValues() {
        return Stream.of(
                new Attack(
                        "parameters",
                        n -> "{% macro f(" + texts("a%d", n) + ") %}{% endmacro %}",
                        n -> "{% set x = f() %}"),
                Attack.of("{% set c = 'x' * N %}", "{% set x = [1]|tojson(separators=(c, ':')) %}"),
                Attack.of("{% set c = 'x' * N %}", "{% set x = []|tojson(indent=c) %}"),
                Attack.of("{% set c = 'x' * N %}", "{% set x = [[]]|tojson(indent=c) %}"),
                Attack.of("{% set t = ('x',) * N %}", "{% set x = t|select('none', *t, *t) %}"),
                new Attack("arguments", n -> "", n -> "{% set x = []|map(" + texts("a%d=1", n) + ") %}"),
                Attack.of("{% set t = [[1] * N] %}", "{% set x = t|map('list')|list %}"),
                new Attack(
                        "attributes",
                        n -> "{% set a = namespace() %}",
                        n -> "{% set a." + texts("a%d = 1 %%}", n).replace(",", "{% set a.")),
                Attack.listOf("{% set s = 'a' %}", "s[0]"),
                Attack.listOf("{% set s = 'a' %}", "s.upper"),
                Attack.listOf("", "missing"),
                Attack.listOf("", "[]|map"),
                Attack.listOf("{% set n = 2 ** 2000 %}", "n + 1"));
    }

    @ParameterizedTest
    @MethodSource("largeValues")
    void memoryCountsByItsSize(Attack attack) {
        int size = 1 << 14;
        Cost cost = Cost.ofDoubling(attack, size);

        assertThat(cost.bytes).isLessThan(3 * cost.counted + size / 2);
    }

    /** A text for each number below {@code n}, with commas between them. */
    private static String texts(String form, int n) {
        return IntStream.range(0, n).mapToObj(form::formatted).collect(Collectors.joining(","));
    }
}
