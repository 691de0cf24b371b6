package dev.causal4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.chat.Answer;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.chat.Message;
import dev.causal4j.chat.ToolCall;
import dev.causal4j.chat.ToolChoice;
import dev.causal4j.compute.Rows;
import dev.causal4j.constraint.Constraint;
import dev.causal4j.constraint.RecordSchema;
import dev.causal4j.generation.Chat;
import dev.causal4j.generation.Embedder;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.EngineOptions;
import dev.causal4j.generation.GeneratedToken;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationRequest;
import dev.causal4j.generation.Generator;
import dev.causal4j.generation.TokenListener;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.head.Loss;
import dev.causal4j.head.LossOptions;
import dev.causal4j.model.CausalLM;
import dev.causal4j.scoring.Normalization;
import dev.causal4j.scoring.Ranking;
import dev.causal4j.scoring.Score;
import dev.causal4j.scoring.Scorer;
import dev.causal4j.server.Server;
import dev.causal4j.server.ServerOptions;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Gradient;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/**
 * The Java examples of README.md and of the guides that need no file, which {@link ReadmeTest} compares with it. scripts/release-check.sh
 * runs this class with nothing but JUnit and what is published.
 */
class ReadmeExamplesTest {
    interface Example {
        void run() throws IOException, InterruptedException;
    }

    static void generating() {
        // example: begin
        CausalLM model = AustenModel.load(); // or CausalLM.load(Path.of("a folder or a GGUF file"))
        GenerationOptions options = GenerationOptions.DEFAULT
                .withMaxNewTokens(40)
                .withTemperature(0.8)
                .withTopP(0.9)
                .withSeed(1);
        Generation generation =
                new Generator(model).generate("It is a truth universally acknowledged, that a", options);
        System.out.println(generation.text());
        // example: end
    }

    private static void conversing() {
        // example: begin
        CausalLM model = AustenModel.load();
        GenerationOptions options =
                GenerationOptions.of(model).withMaxNewTokens(20).withSeed(1);
        Chat chat = Chat.of(model).options(options); // by its chat template, or as a plain transcript
        Generation answer = chat.send("Good morning, Mr. Knightley.");
        chat.send("And where is Emma?", token -> {
            System.out.print(token.text());
            return true; // false ends the answer
        });
        float[] vector = Embedder.of(model).embed("Emma was very kind.");
        System.out.println("; " + vector.length + " numbers after " + answer.tokens().length + " tokens");
        // example: end
    }

    private static void embedding() {
        // example: begin
        Embedder embedder = Embedder.of(AustenModel.load()); // or of a model that was trained to embed
        float[] question = embedder.embed(embedder.prompted("query", "Who walked to Highbury?"));
        List<float[]> passages = embedder.embedAll(List.of("Harriet walked to Highbury.", "It rained."));
        double cosine = 0;
        for (int i = 0; i < question.length; i++) {
            cosine += question[i] * passages.getFirst()[i];
        }
        System.out.println(passages.size() + " passages, the first at " + Math.round(100 * cosine) / 100.0);
        // example: end
    }

    private static void engine() {
        // example: begin
        CausalLM model = AustenModel.load();
        GenerationOptions options =
                GenerationOptions.DEFAULT.withMaxNewTokens(20).withSeed(1);
        Generator generator = new Generator(model);
        try (Engine engine = new Engine(model, EngineOptions.DEFAULT.withPrefixBytes(64 << 20))) {
            GenerationRequest request = generator.request("Emma was", options);
            CompletableFuture<Generation> one =
                    engine.submit(request, token -> true); // false ends it, one.cancel(true) too
            CompletableFuture<Generation> other = engine.submit(request, TokenListener.NONE);
            System.out.println(one.join().text().equals(other.join().text()));
        }
        try (Stream<GeneratedToken> tokens = generator.stream("Emma was", options)) {
            System.out.println(tokens.limit(5).count());
        }
        // example: end
    }

    private static void scoring() {
        // example: begin
        Scorer scorer = new Scorer(AustenModel.load());
        Score score = scorer.score("Emma was very kind.");
        System.out.println(score.perplexity());
        Ranking ranking = scorer.rank("Emma was", List.of(" a zebra", " very kind"));
        System.out.println(ranking.order(Normalization.PER_TOKEN)); // the likeliest first
        // example: end
    }

    private static void structured() throws IOException {
        // example: begin
        enum Sky {
            CLEAR,
            CLOUDY,
            RAIN
        }
        record Weather(LocalDate day, Sky sky, boolean warm) {}

        RecordSchema<Weather> form = RecordSchema.of(Weather.class);
        GenerationOptions options =
                GenerationOptions.DEFAULT.withConstraint(form.constraint()).withSeed(1);
        Generation answer = new Generator(AustenModel.load()).generate("The weather at Highbury: ", options);
        Weather weather = form.read(answer.text());
        System.out.println(weather.day().getDayOfWeek() + ", " + weather.sky() + ", " + weather.warm());
        // example: end
    }

    private static void calling() throws IOException {
        // example: begin
        record Page(LocalDate day) {}

        RecordSchema<Page> page = RecordSchema.of(Page.class);
        Chat chat = Chat.of(AustenModel.load()).tools(List.of(page.tool("diary", "What Emma did that day.")));
        chat.toolChoice(ToolChoice.named("diary")); // AUTO, unless it is set
        Answer answer = chat.answer(List.of(new Message("user", "What did Emma do that day?")));
        ToolCall call = answer.calls().getFirst();
        System.out.println(call.name() + " " + page.read(call.arguments()).day());

        chat.toolChoice(ToolChoice.NONE);
        Answer last = chat.answer(List.of(Message.result(call, "She painted.")));
        System.out.println(last.content());
        // example: end
    }

    private static void constraining() {
        // example: begin
        CausalLM model = AustenModel.load();
        Constraint day = Constraint.regex(" on the [1-9](st|nd|rd|th) of (May|June)");
        GenerationOptions options =
                GenerationOptions.DEFAULT.withConstraint(day).withLogProbabilities(0);
        Generation answer = new Generator(model).generate("They met", options);
        Generation.Constrained met = answer.constrained().orElseThrow();
        System.out.println(answer.text() + " " + met.complete() + " " + met.lostLogProbability());
        Scorer.ConstrainedScore given = new Scorer(model).score("They met", " on the 3rd of May", day);
        System.out.println(given.isAllowed() + " " + given.logProbability());
        // example: end
    }

    private static void weighing() {
        // example: begin
        Generator generator = new Generator(AustenModel.load());
        Constraint moods = Constraint.choice(List.of(" happy", " very happy", " unhappy"));
        GenerationOptions options =
                GenerationOptions.DEFAULT.withConstraint(moods).withLogProbabilities(0);
        double drawn = 0;
        double weighted = 0;
        double all = 0;
        for (int seed = 0; seed < 300; seed++) {
            Generation draw = generator.generate("Emma was", options.withSeed(seed));
            double weight = draw.constrained().orElseThrow().weight().orElseThrow();
            boolean counts = draw.text().equals(" very happy");
            drawn += counts ? 1 : 0;
            weighted += counts ? weight : 0;
            all += weight;
        }
        System.out.printf("%.2f of the draws, %.2f of their weights%n", drawn / 300, weighted / all);
        // example: end
    }

    private static void asking(String server) throws IOException, InterruptedException {
        // example: begin: String server = "http://127.0.0.1:8080";
        URI uri = URI.create(server + "/v1/completions");
        String body = "{\"prompt\": \"Emma was\", \"max_tokens\": 5, \"temperature\": 0}";
        HttpRequest request = HttpRequest.newBuilder(uri)
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
        try (HttpClient client = HttpClient.newHttpClient()) {
            System.out.println(
                    client.send(request, HttpResponse.BodyHandlers.ofString()).body());
        }
        // example: end
    }

    private static Server serving() throws IOException {
        // example: begin
        CausalLM model = AustenModel.load(); // or CausalLM.load(Path.of("a folder or a GGUF file"))
        Server server = Server.start(model, ChatTemplate.plain(), ServerOptions.DEFAULT.withAddress("127.0.0.1", 0));
        // example: end
        return server;
    }

    private static void learning() {
        // example: begin
        CausalLMHead head = AustenModel.load(DType.F32).head();
        int[] tokens = {1749, 304, 386}; // "Emma was very"
        int[] targets = {304, 386, 787}; // " was very kind"
        int size = head.hiddenSize();
        Rows hidden = Rows.of(new float[3 * size], size, 3);
        head.embed(tokens, hidden);
        // ... the decoder turns embedded tokens into hidden vectors; here it is left out ...
        Rows dHidden = Rows.of(new float[3 * size], size, 3);
        Gradient gradient = Gradient.of(Device.shared(), head.projection()); // zeros
        Loss.Scratch scratch = new Loss.Scratch(); // reused from batch to batch
        Loss loss = head.lossAndGradients(hidden, targets, LossOptions.DEFAULT, dHidden, gradient, scratch);
        // ... and dHidden into the gradient by the embedded tokens ...
        head.embedBackward(tokens, dHidden, gradient);
        System.out.println(loss.loss() + " " + Math.sqrt(gradient.squaredNorm()));
        // example: end
    }

    /** The lines that an example prints. */
    static List<String> printed(Example example) throws IOException, InterruptedException {
        PrintStream standardOutput = System.out;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
        try {
            example.run();
        } finally {
            System.setOut(standardOutput);
        }
        return printed.toString(StandardCharsets.UTF_8).lines().toList();
    }

    @Test
    void theExampleOfAChatPrintsItsSecondAnswer() throws Exception {
        List<String> printed = printed(ReadmeExamplesTest::conversing);
        assertEquals(
                List.of(" Emma, dearest, immediately, doubted him like Jane's countenance.--Mrs. Weston, displeased;"
                        + " 256 numbers after 20 tokens"),
                printed);
    }

    @Test
    void theExampleOfVectorsPrintsACosine() throws Exception {
        assertEquals(List.of("2 passages, the first at 0.68"), printed(ReadmeExamplesTest::embedding));
    }

    @Test
    void theExampleOfTheEnginePrintsThatNeighboursChangeNothing() throws Exception {
        assertEquals(List.of("true", "5"), printed(ReadmeExamplesTest::engine));
    }

    @Test
    void theExampleOfScoringPrintsAPerplexityAndAnOrder() throws Exception {
        assertEquals(List.of("16.568407249368207", "[1, 0]"), printed(ReadmeExamplesTest::scoring));
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void theExamplesOfStructuredOutputPrintWhatTheGuideSays() throws Exception {
        assertEquals(List.of("FRIDAY, CLEAR, false"), printed(ReadmeExamplesTest::structured));
        assertEquals(
                List.of(" on the 2nd of May true Optional[35.828774102761294]", "true -7.574125585302973"),
                printed(ReadmeExamplesTest::constraining));
        assertEquals(List.of("0.86 of the draws, 0.34 of their weights"), printed(ReadmeExamplesTest::weighing));
    }

    @Test
    void theExampleOfToolsPrintsACallThatObeysItsSchema() throws Exception {
        String printed = String.join("", printed(ReadmeExamplesTest::calling));
        assertTrue(printed.matches("diary \\d{4}-\\d\\d-\\d\\d.*"), printed);
    }

    @Test
    void theExampleOfTheHeadPrintsALossAndANorm() throws Exception {
        assertEquals(List.of("7.997812593762995 0.7883531736407522"), printed(ReadmeExamplesTest::learning));
    }

    @Test
    void theExampleOfHttpPrintsAnAnswer() throws Exception {
        try (Server server = serving()) {
            String url = "http://127.0.0.1:" + server.address().getPort();
            List<String> printed = printed(() -> asking(url));
            assertEquals(1, printed.size());
            assertTrue(printed.getFirst().contains("\"text\":\" not to be a very\""), printed::toString);
        }
    }
}
