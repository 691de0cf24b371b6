package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.FormatException;
import dev.causal4j.austen.AustenModel;
import dev.causal4j.chat.Answer;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.chat.Message;
import dev.causal4j.chat.ToolCall;
import dev.causal4j.chat.ToolChoice;
import dev.causal4j.constraint.Constraint;
import dev.causal4j.constraint.Matcher;
import dev.causal4j.constraint.RecordSchema;
import dev.causal4j.generation.Chat;
import dev.causal4j.generation.Draft;
import dev.causal4j.generation.Embedder;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.GeneratedToken;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationRequest;
import dev.causal4j.generation.Generator;
import dev.causal4j.generation.Mark;
import dev.causal4j.generation.TokenListener;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.receipt.Receipt;
import dev.causal4j.scoring.DocumentSource;
import dev.causal4j.scoring.Evaluation;
import dev.causal4j.scoring.EvaluationListener;
import dev.causal4j.scoring.EvaluationOptions;
import dev.causal4j.scoring.EvaluationResult;
import dev.causal4j.scoring.EvaluationTask;
import dev.causal4j.scoring.Normalization;
import dev.causal4j.scoring.Scorer;
import dev.causal4j.server.Server;
import dev.causal4j.server.ServerOptions;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.time.Duration;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The tasks of the guide of that name, each as it stands there. */
class TasksTest {
    private final CausalLM model = AustenModel.load();
    private GenerationOptions options =
            GenerationOptions.of(model).withMaxNewTokens(40).withSeed(1);
    private final Generator generator = new Generator(model);

    private static void generating() {
        // example: begin
        CausalLM model = AustenModel.load(); // or CausalLM.load(Path.of("a folder or a GGUF file"))
        GenerationOptions options =
                GenerationOptions.of(model).withMaxNewTokens(40).withSeed(1);
        Generator generator = new Generator(model);
        System.out.println(generator.generate("Emma was", options).text());
        try (Stream<GeneratedToken> tokens = generator.stream("Emma was", options)) {
            tokens.forEach(token -> System.out.print(token.text()));
        }
        // example: end
    }

    private void waiting() {
        // example: begin
        GenerationOptions soon = options.withDeadline(Duration.ofSeconds(5));
        CompletableFuture<Void> printed = Engine.shared(model)
                .submit(generator.request("Emma was", soon), TokenListener.NONE)
                .thenAccept(made -> System.out.println(made.text() + " (" + made.finishReason() + ")"));
        // example: end
        printed.join();
    }

    private static List<GenerationOptions> drafting() {
        // example: begin
        int[] expected = {1028, 363}; // tokens of the text before a change, for instance
        GenerationOptions predicted = GenerationOptions.DEFAULT.withDraft(Draft.prediction(expected));
        GenerationOptions few = GenerationOptions.DEFAULT.withDraft(Draft.lookup(4));
        GenerationOptions own = GenerationOptions.DEFAULT.withDraft(prompt -> (tokens, length, most, into) -> 0);
        // example: end
        return List.of(predicted, few, own);
    }

    private static void marking() {
        // example: begin
        CausalLM model = AustenModel.load();
        Mark mark = Mark.of(HexFormat.of().parseHex("8d4f0c1a63b29e57d0418cf2a96e37b5")); // a secret of your own
        GenerationOptions options = GenerationOptions.of(model).withSeed(1).withMark(mark);
        String text = new Generator(model).generate("Emma was", options).text();
        Mark.Detection found = mark.detect(model.requireTokenizer().encode(text));
        System.out.println(found.p() < 1e-6);
        // example: end
    }

    private static void testing() {
        // example: begin
        CausalLM model = AustenModel.load();
        GenerationOptions options = GenerationOptions.of(model).withSeed(1).withMaxNewTokens(20);
        String first = new Generator(model).generate("Emma was", options).text();
        String second = new Generator(model).generate("Emma was", options).text();
        if (!first.equals(second)) { // in a test: assertEquals("the text of last week", first)
            throw new AssertionError(second);
        }
        // example: end
    }

    private static void evaluating() {
        // example: begin
        CausalLM model = AustenModel.load(); // or CausalLM.load(folder)
        Map<String, Object> settings = Map.of(
                "task", "manners",
                "output_type", "multiple_choice",
                "test_split", "test",
                "doc_to_text", "{{who}} was",
                "doc_to_choice", List.of("very kind.", "a purple engine."),
                "doc_to_target", 0);
        DocumentSource documents = split -> Stream.of(Map.of("who", "Emma"), Map.of("who", "Miss Taylor"));
        EvaluationResult result = Evaluation.of(EvaluationTask.of(settings, documents))
                .run(model, EvaluationOptions.DEFAULT, EvaluationListener.NONE);
        System.out.println(result.value("manners", "acc,none") + " " + result.bits());
        // example: end
    }

    private void conversing() {
        // example: begin
        Chat chat = Chat.of(model).options(options).system("Answer in a sentence.");
        System.out.println(chat.send("Where is Emma?").text());
        System.out.println(chat.send("And with whom?").text());
        // example: end
    }

    private void scoring() {
        // example: begin
        Scorer scorer = new Scorer(model);
        System.out.println(scorer.score("Emma was very kind.").perplexity());
        System.out.println(
                scorer.rank("Emma was", List.of(" a zebra", " very kind")).order(Normalization.PER_TOKEN));
        System.out.println(Embedder.of(model).embed("Emma was very kind.").length);
        // example: end
    }

    private Chat calling() throws IOException {
        // example: begin
        record Page(LocalDate day) {}

        RecordSchema<Page> page = RecordSchema.of(Page.class);
        Chat diary = Chat.of(model).options(options).tools(List.of(page.tool("diary", "What Emma did that day.")));
        Answer answer = diary.answer(List.of(new Message("user", "What did Emma do on the first of May?")));
        while (!answer.calls().isEmpty()) {
            List<Message> results = new ArrayList<>();
            for (ToolCall call : answer.calls()) {
                results.add(
                        Message.result(call, "On " + page.read(call.arguments()).day() + " she painted."));
            }
            answer = diary.answer(results);
        }
        System.out.println(answer.content());
        // example: end
        return diary;
    }

    private static void streaming(Chat diary) {
        // example: begin
        diary.toolChoice(ToolChoice.REQUIRED);
        diary.answer(List.of(new Message("user", "And in June?")), new Answer.Listener() {
            @Override
            public void content(String piece) {
                System.out.print(piece);
            }

            @Override
            public void call(int index, String id, String name) {
                System.out.print(name + " ");
            }

            @Override
            public void arguments(int index, String piece) {
                System.out.print(piece);
            }
        });
        // example: end
    }

    private void asking() throws IOException {
        // example: begin
        enum Mood {
            CALM,
            MERRY
        }
        record Ball(Mood mood, boolean late) {}

        Ball ball = Chat.of(model).ask("How was the ball?", Ball.class);
        System.out.println(ball.mood() + (ball.late() ? ", and late" : ""));
        // example: end
    }

    private void serving() throws IOException {
        // example: begin
        try (Server server = Server.start(Chat.Format.of(model), ServerOptions.DEFAULT.withAddress("127.0.0.1", 0))) {
            System.out.println(server.address());
        }
        // example: end
    }

    private static void rendering() {
        // example: begin
        ChatTemplate template = ChatTemplate.plain(); // or ChatTemplate.read(Path.of("a folder")).orElseThrow()
        List<Message> messages = List.of(new Message("user", "Where is Emma?"));
        System.out.println(template.render(messages, List.of(), true, Map.of()).text());
        // example: end
    }

    private void masking() {
        // example: begin
        Tokenizer tokenizer = model.requireTokenizer(); // or Tokenizer.load(Path.of("a folder")).orElseThrow()
        Matcher matcher = Constraint.regex("[1-9][0-9]* balls").start(tokenizer);
        long[] allowed = new long[Math.ceilDiv(tokenizer.vocabularySize(), 64)]; // a bit for each token
        matcher.mask(allowed);
        int chosen = Long.numberOfTrailingZeros(allowed[0]); // instead of another runtime
        matcher.accept(chosen);
        // example: end
        assertThat(tokenizer.decode(new int[] {chosen})).matches("[1-9]");
    }

    private void many() {
        // example: begin
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < 100; i++) {
                GenerationOptions own = options.withSeed(i);
                threads.execute(() ->
                        System.out.println(generator.generate("Emma was", own).text()));
            }
        }
        // example: end
    }

    @Test
    void aModelGeneratesStreamsAndWaits() throws Exception {
        List<String> printed = ReadmeExamplesTest.printed(TasksTest::generating);
        assertThat(printed).hasSizeGreaterThanOrEqualTo(2);
        String text = String.join("\n", printed);
        assertThat(text.substring(text.length() / 2 + 1)).isEqualTo(text.substring(0, text.length() / 2));
        options = options.withMaxNewTokens(8); // of a hundred texts
        assertThat(ReadmeExamplesTest.printed(this::waiting)).last().asString().endsWith(")");
        assertThat(ReadmeExamplesTest.printed(this::many)).hasSizeGreaterThanOrEqualTo(100);
    }

    @Test
    void draftsChangeNoTextAndTextsComeAgain() {
        testing();
        Generation plain = generator.generate("Emma was", GenerationOptions.DEFAULT);
        for (GenerationOptions each : drafting()) {
            assertThat(generator.generate("Emma was", each).tokens()).containsExactly(plain.tokens());
        }
    }

    private static void stating() throws FormatException {
        // example: begin
        CausalLM model = AustenModel.load(LoadOptions.DEFAULT.withDigests(true)); // or CausalLM.load(folder, ...)
        Generator generator = new Generator(model);
        GenerationRequest request = generator.request("Emma was", GenerationOptions.DEFAULT);
        Generation made =
                generator.generate(List.of(request), TokenListener.NONE).getFirst();
        byte[] json = Receipt.of(model, request, made).toJson();
        System.out.println(Receipt.parse("receipt", json).verify(model).verified());
        // example: end
    }

    @Test
    void anEvaluationHasItsFigure() throws Exception {
        assertThat(ReadmeExamplesTest.printed(TasksTest::evaluating))
                .singleElement()
                .asString()
                .startsWith("1.0 sha256:");
    }

    @Test
    void aReceiptIsTrue() throws Exception {
        assertThat(ReadmeExamplesTest.printed(TasksTest::stating)).containsExactly("true");
    }

    @Test
    void aMarkIsFound() throws Exception {
        assertThat(ReadmeExamplesTest.printed(TasksTest::marking)).containsExactly("true");
    }

    @Test
    void itConversesScoresAndEmbeds() throws Exception {
        assertThat(ReadmeExamplesTest.printed(this::conversing)).hasSizeGreaterThanOrEqualTo(2);
        assertThat(ReadmeExamplesTest.printed(this::scoring)).containsExactly("16.568407249368207", "[1, 0]", "256");
    }

    @Test
    void itCallsToolsAndAnswersByARecord() throws Exception {
        List<Chat> chats = new ArrayList<>();
        assertThat(ReadmeExamplesTest.printed(() -> chats.add(calling()))).isNotEmpty();
        assertThat(String.join("", ReadmeExamplesTest.printed(() -> streaming(chats.getFirst()))))
                .startsWith("diary {");
        assertThat(ReadmeExamplesTest.printed(this::asking)).first().asString().matches("(CALM|MERRY)(, and late)?");
    }

    @Test
    void itServesAndHelpsOthers() throws Exception {
        assertThat(ReadmeExamplesTest.printed(this::serving)).hasSize(1);
        assertThat(ReadmeExamplesTest.printed(TasksTest::rendering)).contains("User: Where is Emma?");
        masking();
    }
}
