package dev.causal4j.spark;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.constraint.Constraint;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.scoring.Score;
import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.util.LongAccumulator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** A driver and two executors, each a process of its own, on this machine; the model comes as an archive. */
@EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
@Timeout(600)
class ClusterTest {
    private static final String PORT = "spark.connect.grpc.binding.port";
    private static final List<String> TEXTS = Texts.of(2000);
    private static final SparkCausalLM LM = SparkCausalLM.of(ModelSource.of("sparkfile:austen"));

    private static SparkSession spark;
    private static List<Score> expected;

    @BeforeAll
    static void begin() throws IOException {
        if (SparkSession.getDefaultSession().isDefined()) {
            LocalSession.get().stop();
        }
        Files.createDirectories(Path.of(System.getenv("SPARK_HOME"), "jars")); // empty: the class path has all
        spark = LocalSession.builder("local-cluster[2,1,1024]")
                .config("spark.executor.extraClassPath", System.getProperty("surefire.test.class.path"))
                .config("spark.archives", archive(Path.of("target/austen.zip")) + "#austen")
                .config("spark.sql.catalog.lm.model", "sparkfile:austen")
                .config("spark.serializer", "org.apache.spark.serializer.KryoSerializer")
                .config("spark.plugins", "org.apache.spark.sql.connect.SparkConnectPlugin")
                .config("spark.connect.grpc.binding.address", "127.0.0.1")
                .config(PORT, freePort())
                .getOrCreate();
        expected = SingleProcess.scores(TEXTS);
    }

    /** One that no client gets from the system before Spark has it. */
    private static int freePort() throws IOException {
        for (int port = 20_000 + (int) (ProcessHandle.current().pid() % 10_000); ; ) {
            try (ServerSocket _ = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
                return port;
            } catch (BindException e) {
                port++;
            }
        }
    }

    private static Path archive(Path zip) throws IOException {
        Path model = Files.createDirectories(Path.of("target/austen"));
        AustenModel.export(model);
        try (ZipOutputStream out = new ZipOutputStream(Files.newOutputStream(zip));
                var files = Files.list(model)) {
            for (Path file : files.toList()) {
                out.putNextEntry(new ZipEntry(file.getFileName().toString()));
                Files.copy(file, out);
            }
        }
        return zip.toAbsolutePath();
    }

    @AfterAll
    static void end() {
        spark.stop();
    }

    @Test
    void twoThousandScoresHaveTheBitsOfASingleProcess() {
        SingleProcess.requireEqual(LM.score(Texts.dataset(spark, TEXTS, 4), "text"), expected);
    }

    @Test
    void twoHundredTextsAreThoseOfASingleProcess() {
        Dataset<Row> prompts = Texts.dataset(spark, TEXTS.subList(0, 200), 4);
        SingleProcess.requireEqualTexts(
                LM.generate(prompts, "text", options -> options.withMaxNewTokens(20), "id"),
                GenerationOptions.DEFAULT.withTruncatePrompt(true).withMaxNewTokens(20));
    }

    @Test
    void twentyDocumentsAreThoseOfASingleProcess() {
        String schema = SchemaOfType.json(StructType.fromDDL("kind boolean not null, share decimal(3,2) not null"));
        Dataset<Row> prompts = Texts.dataset(spark, TEXTS.subList(0, 20), 4);
        SingleProcess.requireEqual(
                LM.extract(prompts, "text", schema, options -> options.withMaxNewTokens(100), "id")
                        .select("text", "extraction"),
                "json",
                GenerationOptions.DEFAULT
                        .withTruncatePrompt(true)
                        .withMaxNewTokens(100)
                        .withConstraint(Constraint.schema(schema)));
    }

    @Test
    void anExecutorThatIsKilledChangesNothing() throws Exception {
        LongAccumulator tokens = spark.sparkContext().longAccumulator("tokens");
        Dataset<Row> scored = LM.withTokens(tokens).score(Texts.dataset(spark, TEXTS, 12), "text");
        CompletableFuture<Void> job = CompletableFuture.runAsync(() -> SingleProcess.requireEqual(scored, expected));
        while (tokens.sum() == 0 && !job.isDone()) {
            TimeUnit.MILLISECONDS.sleep(20);
        }
        ProcessHandle executor = executors().getFirst();
        assertThat(job).isNotDone();
        executor.destroyForcibly();
        assertThat(executor.onExit()).succeedsWithin(Duration.ofSeconds(10));
        assertThat(job).succeedsWithin(Duration.ofMinutes(8));
    }

    private static List<ProcessHandle> executors() {
        return ProcessHandle.current()
                .descendants()
                .filter(process -> {
                    try {
                        return Files.readString(Path.of("/proc", process.pid() + "", "cmdline"))
                                .contains("CoarseGrainedExecutorBackend");
                    } catch (IOException e) {
                        return false; // it has ended
                    }
                })
                .toList();
    }

    @Test
    void sqlGivesTheSameOnTheClusterAndOverConnect() throws IOException {
        List<String> some = TEXTS.subList(0, 200);
        Texts.dataset(spark, some, 2).write().mode("overwrite").parquet("target/texts");
        String query = "SELECT id, lm.score(text) AS score FROM parquet.`"
                + Path.of("target/texts").toAbsolutePath() + "`";
        SingleProcess.requireEqual(spark.sql(query), expected.subList(0, 200));

        String url = "sc://127.0.0.1:" + spark.conf().get(PORT);
        SparkSession client =
                org.apache.spark.sql.connect.SparkSession.builder().remote(url).getOrCreate();
        try {
            SingleProcess.requireEqual(client.sql(query), expected.subList(0, 200));
            Row text = client.sql("SELECT lm.generate('Emma was', map('max_new_tokens', 8)).text")
                    .head();
            assertThat(text.getString(0)).isNotEmpty();
            assertThat(client.sql("SELECT lm.score(NULL).error").head().getString(0))
                    .isEqualTo("score: expected values, got null");
        } finally {
            client.close();
        }
    }
}
