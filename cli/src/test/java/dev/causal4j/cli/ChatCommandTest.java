package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.causal4j.chat.Message;
import dev.causal4j.generation.Chat;
import dev.causal4j.model.CausalLM;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.io.Reader;
import java.io.StringWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Conversations with the embedded model, which has no chat template, and with a Qwen 3 of a few kilobytes that has one. */
class ChatCommandTest {
    private static final String TEMPLATE =
            "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
                    + "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}{{ mood }}";

    private static final String PLAIN =
            "chat template: expected one in the model's files, got none; the model gets a plain"
                    + " transcript (User: ..., Assistant: ...); give one with --template\n";

    @TempDir
    private static Path shared;

    @TempDir
    private Path folder;

    private static String model;

    @BeforeAll
    static void makeAModelWithATemplate() throws Exception {
        String data = Files.writeString(
                        shared.resolve("data.txt"), "A single man in possession of a fortune.\n".repeat(30))
                .toString();
        String tokenizer = shared.resolve("tokenizer").toString();
        String special = "--special-token <|endoftext|> --special-token <|im_start|> --special-token <|im_end|>";
        run("", "tokenizer train --vocabulary-size 280 " + special, "--data", data, "--out", tokenizer)
                .done();
        Path qwen = Repository.root().resolve("core/src/test/resources/dev/causal4j/golden/qwen3-tied/config.json");
        ObjectNode config = (ObjectNode) JsonMapper.shared().readTree(Files.readAllBytes(qwen));
        config.put("vocab_size", 280)
                .put("max_position_embeddings", 512)
                .remove(List.of("bos_token_id", "eos_token_id"));
        String file = Files.writeString(shared.resolve("config.json"), config.toString())
                .toString();
        model = shared.resolve("model").toString();
        String settings = "train --steps 1 --batch-size 1 --context-length 16 --held-out 0";
        run("", settings, "--data", data, "--config", file, "--tokenizer", tokenizer, "--out", model);
        Files.writeString(Path.of(model).resolve("chat_template.jinja"), TEMPLATE);
    }

    private static Program.Run run(String input, String options, String... more) {
        return Program.runWithInput(
                input,
                Stream.concat(Arrays.stream(options.split(" ")), Arrays.stream(more))
                        .toArray(String[]::new));
    }

    private static List<JsonNode> answers(String input, String options, String... more) {
        Program.Run run = run(input, "chat --json --seed 1 --max-new-tokens 20 " + options, more);
        assertThat(run.err().replaceAll("(?m)^\\(.*\\)\n", ""))
                .as("besides confirmations")
                .isIn("", PLAIN);
        assertThat(run.status()).isZero();
        return run.out().lines().map(JsonMapper.shared()::readTree).toList();
    }

    private static List<JsonNode> qwen(String input, String... more) {
        return answers(input, "--model " + model, more);
    }

    private static String prompt(JsonNode answer, String... options) {
        String ids = answer.get("prompt_tokens")
                .valueStream()
                .map(JsonNode::asString)
                .collect(Collectors.joining(","));
        return run(
                        "",
                        "tokenizer decode --json",
                        Stream.concat(Stream.of("--tokens", ids), Arrays.stream(options))
                                .toArray(String[]::new))
                .json()
                .get("text")
                .stringValue();
    }

    private static String text(JsonNode answer) {
        return answer.get("text").stringValue();
    }

    @Test
    void anAnswerContinuesTheTranscriptAsGenerateDoes() {
        Program.Run chat = run("Good morning\n", "chat --temperature 0 --max-new-tokens 12 --system Hi");
        assertThat(chat.err()).isEqualTo(PLAIN);
        String transcript = "System: Hi\n\nUser: Good morning\n\nAssistant:";
        assertThat(chat.out())
                .isNotBlank()
                .isEqualTo(run("", "generate --temperature 0 --max-new-tokens 12", transcript)
                        .done()
                        .out());
    }

    @Test
    void aSecondMessageFollowsTheFirstAnswerAndTheCacheKnowsWhatCameBefore() {
        String first = "It is a truth universally acknowledged, that a single man must be in want of a wife. "
                .repeat(2)
                .strip();
        List<JsonNode> answers = answers(first + "\nAnd now?\n", "");
        assertThat(prompt(answers.get(1)))
                .isEqualTo("User: " + first + "\n\nAssistant: "
                        + text(answers.get(0)).strip() + "\n\nUser: And now?\n\nAssistant:");
        assertThat(answers.get(0).at("/timing/cached_tokens").intValue()).isZero();
        assertThat(answers.get(1).at("/timing/cached_tokens").intValue()).isGreaterThan(64);
    }

    @Test
    void theTemplateOfTheModelIsUsedWithItsVariables() {
        List<JsonNode> answers = qwen("Hi\n", "--system", "Be brief.", "--variables", "{\"mood\": \"happy\"}");
        assertThat(prompt(answers.getFirst(), "--model", model))
                .isEqualTo(
                        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
                                + "happy");
    }

    @Test
    void controlTokensInAMessageArePlainText() {
        JsonNode answer = qwen("a<|im_end|>\n").getFirst();
        int end = 279; // the last of the special tokens
        assertThat(prompt(answer, "--model", model)).contains("user\na<|im_end|><|im_end|>\n");
        assertThat(IntStream.of(Repository.integers(answer.get("prompt_tokens")))
                        .filter(id -> id == end))
                .hasSize(1);
    }

    @Test
    void messagesAreTakenBackAndAnsweredAnew() {
        List<JsonNode> answers = qwen("One\nTwo\n/regenerate\n/undo\n/system Hi\nThree\n//help\n");
        assertThat(answers).hasSize(5);
        assertThat(answers.get(2).get("prompt_tokens")).isEqualTo(answers.get(1).get("prompt_tokens"));
        assertThat(answers.get(2).get("seed").longValue()).isEqualTo(2);
        assertThat(text(answers.get(2))).isNotEqualTo(text(answers.get(1)));
        assertThat(prompt(answers.get(3), "--model", model))
                .startsWith("<|im_start|>system\nHi<|im_end|>\n<|im_start|>user\nOne<|im_end|>")
                .contains("user\nThree")
                .doesNotContain("Two");
        assertThat(prompt(answers.get(4), "--model", model)).contains("user\n/help<|im_end|>");
        assertThat(qwen("One\n/quit\nTwo\n")).hasSize(1);
    }

    @Test
    void anAnswerStaysIfAnotherToItsMessageFails() throws IOException {
        SamplingOptions sampling = CommandLine.populateCommand(new SamplingOptions(), "--max-new-tokens", "5");
        PrintWriter nowhere = new PrintWriter(Writer.nullWriter());
        try (CausalLM loaded = CausalLM.load(Path.of(model))) {
            ChatLoop loop = new ChatLoop(
                    Chat.Format.of(loaded), sampling, new ConstraintOptions(), new ReceiptOptions(), nowhere, nowhere);
            loop.run(lines("One\n"), false);
            List<Message> before = loop.chat.messages();
            assertThat(before).hasSize(2);
            loop.chat.system("word ".repeat(600)); // no answer fits
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> loop.run(lines("/regenerate\n"), false))
                    .withMessageStartingWith("prompt: expected at most 512 tokens");
            loop.chat.system("");
            assertThat(loop.chat.messages()).isEqualTo(before);
        }
    }

    /** Turns of 35 tokens and answers of 20 in a context of 256 tokens. */
    @Test
    void theOldestTurnsGoWhenTheContextIsFull() {
        String message = "It is a truth universally acknowledged, that a single man must be in want of a wife.";
        Program.Run run = run(
                (message + "\n").repeat(12) + "/show\n/regenerate\n" + "/undo\n".repeat(10) + message + "\n",
                "chat --json --seed 1 --max-new-tokens 20 --system Hi");
        assertThat(run.status()).isZero();
        List<JsonNode> answers =
                run.out().lines().map(JsonMapper.shared()::readTree).toList();
        assertThat(answers).hasSize(14).allSatisfy(answer -> {
            assertThat(answer.get("tokens").size()).as("room for an answer").isEqualTo(20);
            assertThat(prompt(answer))
                    .startsWith("System: Hi\n\nUser: " + message)
                    .endsWith(message + "\n\nAssistant:");
        });
        assertThat(answers.get(12).get("prompt_tokens"))
                .as("/regenerate")
                .isEqualTo(answers.get(11).get("prompt_tokens"));
        assertThat(prompt(answers.get(13)).split("User: ", -1))
                .as("all of three turns")
                .hasSize(4);
        List<String> notes = run.err().replace(PLAIN, "").lines().toList();
        assertThat(notes.getFirst()).matches("\\(\\d oldest turns left out: the context of 256 tokens is full\\)");
        assertThat(notes).contains("(12 turns; max-new-tokens 20, seed 1; the rest by default)");
        assertThat(notes)
                .as("all are kept")
                .filteredOn(("user: " + message)::equals)
                .hasSize(12);
        long said = notes.stream().filter(note -> note.contains("left out")).count();
        assertThat(said).as("several go at once").isBetween(2L, 7L);
    }

    @Test
    void aMessageThatIsTooLongAloneIsRefusedAndNothingIsForgotten() throws IOException {
        SamplingOptions sampling = CommandLine.populateCommand(new SamplingOptions(), "--max-new-tokens", "5");
        StringWriter out = new StringWriter();
        StringWriter notes = new StringWriter();
        try (CausalLM loaded = CausalLM.load(Path.of(model))) {
            PrintWriter answers = new PrintWriter(out);
            ChatLoop loop = new ChatLoop(
                    Chat.Format.of(loaded),
                    sampling,
                    new ConstraintOptions(),
                    new ReceiptOptions(),
                    answers,
                    new PrintWriter(notes));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> loop.run(lines("One\nTwo\n" + "word ".repeat(600) + "\n"), false))
                    .withMessageStartingWith("prompt: expected at most 512 tokens, the context length, got ");
            out.getBuffer().setLength(0);
            loop.run(lines("Three\n"), true);
            JsonNode answer = JsonMapper.shared().readTree(out.toString());
            assertThat(prompt(answer, "--model", model))
                    .startsWith("<|im_start|>user\nOne<")
                    .contains("Two", "Three");
            assertThat(notes.toString()).isEmpty();
        }
    }

    @Test
    void aConversationIsForgottenAndTheSystemsMessageStays() {
        List<JsonNode> answers = qwen("One\n/clear\nTwo\n", "--system", "Hi");
        assertThat(prompt(answers.get(1), "--model", model))
                .isEqualTo(
                        "<|im_start|>system\nHi<|im_end|>\n<|im_start|>user\nTwo<|im_end|>\n<|im_start|>assistant\n");
    }

    @Test
    void settingsChangeByTheNamesOfTheirOptions() {
        List<JsonNode> answers = qwen("One\n/undo\n/set max-new-tokens 3\n/set seed 5\nOne\n");
        assertThat(answers).extracting(answer -> answer.get("seed").intValue()).containsExactly(1, 5);
        assertThat(answers).extracting(answer -> answer.get("tokens").size()).containsExactly(20, 3);
        assertThat(run("/set stop a b\n/set top-k 4\n/show\n", "chat --seed 1 --model " + model)
                        .err())
                .isEqualTo("""
                (seed 1, stop [a b])
                (top-k 4, seed 1, stop [a b])
                (0 turns; top-k 4, seed 1, stop [a b]; the rest by default)
                """);
    }

    @Test
    void anAnswerMayBeLongerThanAGeneratedText() {
        assertThat(run("/show\n", "chat --min-new-tokens 200").err()).contains("min-new-tokens 200");
        assertThat(run("/set min-new-tokens 200\n", "chat").err()).contains("(min-new-tokens 200");
        run("", "chat --min-new-tokens 1025")
                .refused(2, "min-new-tokens: expected at most max-new-tokens (1024), got 1025");
    }

    @Test
    void linesMayEndAsOnWindows() {
        assertThat(qwen("One\r\n/regenerate\r\n/quit\r\n")).hasSize(2);
        assertThat(qwen("One\r\n").getFirst().get("prompt_tokens"))
                .isEqualTo(qwen("One\n").getFirst().get("prompt_tokens"));
    }

    private static LineReader lines(String input) {
        return new LineReader(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)), TextInput.MOST_BYTES);
    }

    @Test
    void aSavedConversationGoesOnWhereItEnded() throws IOException {
        String file = folder.resolve("talk.json").toString();
        List<JsonNode> whole = qwen("One\n/save " + file + "\nTwo\n/save! " + file + "\n");
        assertThat(run("/load " + file + "\n/undo\n/save! " + file + "\n", "chat --model " + model)
                        .err())
                .isEqualTo("""
                        (loaded 2 turns from %1$s)
                        (took your last message back; 1 turn left)
                        (saved 1 turn to %1$s)
                        """.formatted(file));
        List<JsonNode> later = qwen("/load " + file + "\nTwo\n");

        assertThat(later.getFirst().get("prompt_tokens")).isEqualTo(whole.get(1).get("prompt_tokens"));
        assertThat(text(later.getFirst())).isEqualTo(text(whole.get(1)));
        assertThat(run("", "tokenizer render --messages " + file, "--model", model)
                        .done()
                        .out())
                .startsWith("<|im_start|>user\nOne<|im_end|>\n<|im_start|>assistant\n" + text(whole.getFirst()));
        String before = Files.readString(Path.of(file));
        run("/save " + file + "\n", "chat --model " + model)
                .refused(1, "talk.json: expected a new file, got one that exists; /save! FILE overwrites it");
        assertThat(Files.readString(Path.of(file))).isEqualTo(before);
    }

    /** Settings, seed, attempts and turns that are left out go with the messages. */
    @Test
    void aSavedConversationHasTheBitsThatItWouldHaveHad() throws IOException {
        String file = folder.resolve("talk.json").toString();
        String settings = "/set temperature 1.3\n/set seed 77\n/set logit-bias 5=-1.5,7=2\n/set stop xyz\n";
        List<JsonNode> whole = qwen(settings + "One\n/regenerate\n/regenerate\n/save " + file + "\n/regenerate\nTwo\n");
        List<JsonNode> later = qwen("/set top-k 3\n/load " + file + "\n/regenerate\nTwo\n");
        assertThat(whole).hasSize(5);
        for (int i = 0; i < 2; i++) {
            for (String field : List.of("prompt_tokens", "tokens", "seed")) {
                assertThat(later.get(i).get(field)).isEqualTo(whole.get(3 + i).get(field));
            }
        }
        JsonNode saved = JsonMapper.shared().readTree(Path.of(file).toFile());
        assertThat(saved.propertyNames()).containsExactly("messages", "options", "attempts", "left_out", "model");
        assertThat(saved.get("attempts").intValue()).isEqualTo(2);
        assertThat(saved.get("options").valueStream().map(JsonNode::stringValue))
                .contains("--seed=77", "--temperature=1.3", "--logit-bias=5=-1.5", "--logit-bias=7=2.0", "--stop=xyz");
        String chat = "chat --model " + model;
        for (String wrong : List.of("--nothing=1", "--seed=x")) {
            Files.writeString(Path.of(file), "{\"messages\": [], \"options\": [\"" + wrong + "\"]}");
            run("/load " + file + "\n", chat).refused(1, wrong.substring(2, 6));
        }
        Files.writeString(Path.of(file), "{\"messages\": [], \"attempts\": -1}");
        run("/load " + file + "\n", chat).refused(1, "attempts");
    }

    @Test
    void whatCannotBeDoneIsOneLine() throws IOException {
        String chat = "chat --model " + model;
        assertThat(run("/nothing\nHi\n", chat).out()).isEmpty();
        run("/nothing\n", chat).refused(1, "command: expected", "\"/nothing\"");
        run("/undo\n", chat).refused(1, "conversation: expected a message of yours, got none");
        run("/save\n", chat).refused(1, "file: expected a name");
        assertThat(run("/set draft lookup\n/show\n", chat).err()).contains("draft lookup");
        run("/set top-p 0\n", chat).refused(1, "top-p: expected a number in (0, 1], got 0.0");
        run("/set top-p much\n", chat).refused(1, "top-p: expected a number, got \"much\"");
        run("/set model x\n", chat).refused(1, "setting: expected max-new-tokens, ", "temperature, ", "got \"model\"");
        run("/load " + folder.resolve("none") + "\n", chat).refused(1, "none", "no such file");
        String list = Files.writeString(folder.resolve("m.json"), "[{\"content\": \"x\"}]")
                .toString();
        run("/load " + list + "\n", chat).refused(1, list, "messages with a role");
        run("word ".repeat(600) + "\n", chat).refused(1, "prompt: expected at most 512 tokens");
        run("", chat + " --top-p 0")
                .refused(2, "top-p: expected a number in (0, 1], got 0.0; see causal4j chat --help");
        run("", chat + " --variables []").refused(1, "variables: expected a JSON object");
    }

    /** A model that knows nothing yet writes control characters, too. */
    @Test
    void atATerminalAnswersCannotSteerItAndInAPipeTheyAreAsTheyAre() throws Exception {
        String sampling = " --temperature 2 --seed 1 --max-new-tokens 60 --model " + model;
        Pattern control = Pattern.compile("[\\p{Cc}&&[^\t\n]]");
        String hi = Files.writeString(folder.resolve("hi.json"), "[{\"role\": \"\\u001b[2J\", \"content\": \"\"}]")
                .toString();
        for (String command : List.of(
                "chat" + sampling,
                "generate" + sampling,
                "tokenizer decode --tokens 215,33 --model " + model,
                "tokenizer render --messages " + hi + " --model " + model)) {
            String input = command.startsWith("chat") ? "Hi\n" : "";
            String raw = run(input, command).done().out();
            assertThat(raw).containsPattern(control);
            System.setProperty(Streaming.TERMINAL, "true");
            try {
                assertThat(run(input, command).done().out())
                        .isEqualTo(control.matcher(raw).replaceAll("\ufffd"));
            } finally {
                System.clearProperty(Streaming.TERMINAL);
            }
        }
        assumeThat(Files.isExecutable(Path.of("/usr/bin/script"))).isTrue();
        Process process = Launcher.BRIEF.startInShell(
                "exec script -qefc \"./causal4j generate" + sampling + "\" /dev/null 2>&1 < /dev/null");
        String seen = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(seen).isZero();
        assertThat(seen.replace("\r\n", "\n")).contains("\ufffd").doesNotContainPattern(control);
    }

    @Test
    void controlCEndsAnAnswerAtATerminalAndThenTheProgram() throws Exception {
        Launcher.assumeInterrupts();
        assumeThat(Files.isExecutable(Path.of("/usr/bin/script"))).isTrue();
        boolean cancelled = false;
        for (int i = 0; i < 5 && !cancelled; i++) { // again if the answer came to its end before the key
            cancelled = controlCEndsAnAnswer();
        }
        assertThat(cancelled).isTrue();
    }

    /** A pseudo-terminal as people have it, with the launcher. */
    private static boolean controlCEndsAnAnswer() throws Exception {
        String command = "stty cols 80 rows 24; exec ./causal4j chat --seed 1 --max-new-tokens 230";
        Process process = Launcher.BRIEF.startInShell("TERM=xterm exec script -qefc \"" + command + "\" /dev/null");
        try (Reader from = process.inputReader(StandardCharsets.UTF_8);
                OutputStream to = process.getOutputStream()) {
            StringBuilder seen = new StringBuilder();
            await(from, seen, "> ");
            write(to, "Good morninx\bg\r");
            await(from, seen, " Harriet"); // the answer begins
            write(to, "\3");
            await(from, seen, "1]");
            String answer = seen.toString().replaceAll("\033\\[22?m", "");
            if (answer.contains("; end: length, ")) {
                return false;
            }
            assertThat(answer)
                    .containsPattern(
                            "\\[[12]?\\d?\\d tokens, .*; end: cancelled; prompt 13, cached 0, .*/s; seed 1\\]");
            await(from, seen, "> ");
            write(to, "\3");
            await(
                    from,
                    seen,
                    "Ctrl-C again or Ctrl-D ends the program"); // it was the answer that the first one stopped
            await(from, seen, "> ");
            write(to, "\3");
            assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
            assertThat(process.exitValue()).isZero();
            return true;
        } finally {
            process.destroyForcibly();
        }
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void linesBreakBetweenWordsAndARedirectedErrorHasNoColors() throws Exception {
        assumeThat(Files.isExecutable(Path.of("/usr/bin/script"))).isTrue();
        Path errors = folder.resolve("errors");
        String options = "chat --seed 1 --max-new-tokens 60";
        String command = "stty cols 30 rows 24; exec ./causal4j " + options + " 2> " + errors;
        Process process = Launcher.BRIEF.startInShell("TERM=xterm exec script -qefc \"" + command + "\" /dev/null");
        StringBuilder seen = new StringBuilder();
        try (Reader from = process.inputReader(StandardCharsets.UTF_8);
                OutputStream to = process.getOutputStream()) {
            await(from, seen, "> ");
            write(to, "Good morning\r");
            await(from, seen, "\033[2m...\033[22m");
            await(from, seen, "\r     \r");
            seen.setLength(0);
            await(from, seen, "> ");
            write(to, "\4");
            assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
        } finally {
            process.destroyForcibly();
        }
        String answer = seen.substring(0, seen.indexOf("\033"));
        assertThat(answer.lines()).hasSizeGreaterThan(5).allMatch(line -> line.length() <= 30);
        assertThat(answer.split("\\s+", -1))
                .isEqualTo(run("Good morning\n", options).out().split("\\s+", -1));
        assertThat(errors).content().contains("; end: length, ").doesNotContain("\033");
    }

    private static void write(OutputStream to, String keys) throws IOException {
        to.write(keys.getBytes(StandardCharsets.UTF_8));
        to.flush();
    }

    /** Reads until the text comes; the test's timeout bounds it. */
    private static void await(Reader from, StringBuilder seen, String text) throws IOException {
        int start = seen.length();
        while (seen.indexOf(text, start) < 0) {
            int c = from.read();
            assertThat(c).as(seen + " without " + text).isNotNegative();
            seen.append((char) c);
        }
    }
}
