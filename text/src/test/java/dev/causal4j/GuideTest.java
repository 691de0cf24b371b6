package dev.causal4j;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.chat.Answer;
import dev.causal4j.chat.AnswerParser;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.chat.Message;
import dev.causal4j.chat.ToolCall;
import dev.causal4j.chat.ToolChoice;
import dev.causal4j.chat.ToolFormat;
import dev.causal4j.constraint.Constraint;
import dev.causal4j.constraint.Matcher;
import dev.causal4j.constraint.Whitespace;
import dev.causal4j.tokenizer.StreamingDecoder;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The examples of the guide to text without a model, with files of the tests. */
class GuideTest {
    private static final Path RESOURCES = Path.of("src/test/resources/dev/causal4j");

    private static int[] counting(Path folder) throws IOException {
        // example: begin: Path folder = Path.of("Qwen3-0.6B"); // with tokenizer.json and the chat template
        Tokenizer tokenizer = Tokenizer.load(folder).orElseThrow();
        ChatTemplate template = ChatTemplate.read(folder).orElseThrow();
        List<Message> messages =
                List.of(new Message("system", "Answer in a word."), new Message("user", "Where is Emma?"));
        int[] tokens = template.encode(tokenizer, messages, List.of(), true, Map.of());
        System.out.println(tokens.length + " tokens");
        // example: end
        return tokens;
    }

    private static String prompting(ChatTemplate template, List<Message> messages) {
        // example: begin
        String prompt = template.render(messages, List.of(), true, Map.of("enable_thinking", false))
                .text();
        System.out.print(prompt);
        // example: end
        return prompt;
    }

    private static void masking(Tokenizer tokenizer) {
        // example: begin
        Constraint place = Constraint.schema("""
                {"type": "object", "required": ["place"], "additionalProperties": false,
                 "properties": {"place": {"enum": ["Bath", "Highbury"]}}}""", Whitespace.COMPACT);
        Matcher matcher = place.start(tokenizer);
        StreamingDecoder text = tokenizer.decoder();
        float[] logits = new float[tokenizer.vocabularySize()];
        long[] allowed = new long[Math.ceilDiv(logits.length, 64)]; // a bit for each token
        Random runtime = new Random(1); // instead of a model
        while (!matcher.isAccepting()) {
            Arrays.setAll(allowed, i -> 0);
            matcher.mask(allowed);
            int best = 0;
            for (int id = 0; id < logits.length; id++) {
                boolean can = (allowed[id / 64] >>> id & 1) == 1;
                logits[id] = can ? runtime.nextFloat() : Float.NEGATIVE_INFINITY;
                best = logits[id] > logits[best] ? id : best;
            }
            matcher.accept(best);
            System.out.print(text.accept(best));
        }
        System.out.println(text.finish());
        // example: end
    }

    private static void calling(ChatTemplate template, String prompt) {
        // example: begin
        ToolFormat format = ToolFormat.of(template);
        Answer.Listener listener = new Answer.Listener() {
            @Override
            public void content(String piece) {
                System.out.print(piece);
            }
        };
        AnswerParser parser =
                new AnswerParser(format, List.of(), ToolChoice.AUTO, format.opensThought(prompt), 1, listener);
        String call = "<tool_call>\n{\"name\": \"find\", \"arguments\": {\"who\": \"Emma\"}}\n</tool_call>";
        for (String piece : ("Let me see.\n" + call).split("(?<= )", -1)) {
            parser.accept(piece); // as the stream brings it
        }
        Answer answer = parser.end("stop");
        for (ToolCall each : answer.calls()) {
            System.out.println(" " + each.name() + " " + each.arguments());
        }
        // example: end
    }

    @Test
    void theExamplesOfTheGuidePrintWhatItSays(@TempDir Path folder) throws IOException {
        Files.copy(RESOURCES.resolve("tokenizer/golden/qwen3-small/tokenizer.json"), folder.resolve("tokenizer.json"));
        Files.copy(RESOURCES.resolve("chat/qwen3.jinja"), folder.resolve("chat_template.jinja"));
        Tokenizer tokenizer = Tokenizer.load(folder).orElseThrow();
        ChatTemplate template = ChatTemplate.read(folder).orElseThrow();
        PrintStream out = System.out;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        try {
            System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
            int[] tokens = counting(folder);
            List<Message> messages =
                    List.of(new Message("system", "Answer in a word."), new Message("user", "Where is Emma?"));
            calling(template, prompting(template, messages));
            masking(tokenizer);
            assertThat(tokenizer.decode(tokens)).endsWith("<|im_start|>assistant\n");
        } finally {
            System.setOut(out);
        }
        assertThat(printed.toString(StandardCharsets.UTF_8)).isEqualTo("""
                31 tokens
                <|im_start|>system
                Answer in a word.<|im_end|>
                <|im_start|>user
                Where is Emma?<|im_end|>
                <|im_start|>assistant
                <think>

                </think>

                Let me see. find {"who": "Emma"}
                {"place":"Highbury"}
                """);
    }
}
