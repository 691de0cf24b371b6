package dev.causal4j.springai;

import io.micrometer.observation.ObservationRegistry;
import java.nio.file.Path;
import java.util.ServiceLoader;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.embedding.EmbeddingModel;

/** The models that are checked by Spring AI's interfaces, found by ServiceLoader. */
public interface Subject {
    /** A model whose template is that of Qwen3-Instruct-2507. */
    Path TOOLS = SmallModel.folder("tools", "qwen3-instruct-2507", 1);

    /** One whose template is that of Qwen 3.5, so that prompts end inside of a thought. */
    Path THINKING = SmallModel.folder("thinking", "qwen3.5", 2);

    /** The one subject. Last, since it reads those above. */
    Subject IT = ServiceLoader.load(Subject.class).findFirst().orElseThrow();

    /** A chat model without default options; each call of this gives one on the same engine. */
    ChatModel chat(ObservationRegistry observations);

    /** The same with temperature 0, at most 7 new tokens and the stop sequence "STOP" as default options. */
    ChatModel chatWithDefaults();

    /** A chat model of the folder {@link #THINKING}. */
    ChatModel thinking();

    /** An embedding model of the folder {@link #TOOLS}: mean of the tokens, length one. */
    EmbeddingModel embedding(ObservationRegistry observations);

    /** A builder of the provider's own options, all unset. */
    ChatOptions.Builder<?> options();

    /** Sets the seed in a builder of {@link #options}. */
    ChatOptions.Builder<?> seed(ChatOptions.Builder<?> options, long seed);

    /** Sets in a builder of {@link #options} that one tool must be called, until the messages end with results of tools. */
    ChatOptions.Builder<?> mustCall(ChatOptions.Builder<?> options);

    /** How many sequences the chat models' engine computes or has in its queue. */
    int running();
}
