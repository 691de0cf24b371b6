package dev.causal4j.springboot;

import dev.causal4j.springai.SmallModel;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.springframework.ai.model.chat.client.autoconfigure.ChatClientAutoConfiguration;
import org.springframework.ai.model.tool.autoconfigure.ToolCallingAutoConfiguration;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.autoconfigure.ImportAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Configuration;

/** Small applications, and the folders of models for them. */
final class Applications {
    /** A model whose template shows tools. */
    static final Path TOOLS = SmallModel.folder("tools", "qwen3-instruct-2507", 1);

    /** A model whose prompts end inside of a thought. */
    static final Path THINKING = SmallModel.folder("thinking", "qwen3.5", 2);

    static final String CHAT = "spring.ai.causal4j.chat.model=" + TOOLS;
    static final String GREEDY = "spring.ai.causal4j.chat.temperature=0";

    /** All that Spring Boot finds. */
    @Configuration(proxyBeanMethods = false)
    @EnableAutoConfiguration
    static class Whole {}

    /** A model and its clients alone, which starts faster. */
    @Configuration(proxyBeanMethods = false)
    @ImportAutoConfiguration({
        Causal4jAutoConfiguration.class,
        ChatClientAutoConfiguration.class,
        ToolCallingAutoConfiguration.class
    })
    static class Small {}

    private Applications() {}

    static ConfigurableApplicationContext run(String... properties) {
        return run(Small.class, properties);
    }

    /** @param properties as {@code name=value} */
    static ConfigurableApplicationContext run(Class<?> application, String... properties) {
        return new SpringApplicationBuilder(application)
                .web(WebApplicationType.NONE)
                .logStartupInfo(false)
                .run(Stream.concat(Stream.of(properties), Stream.of("spring.main.banner-mode=off"))
                        .map(each -> "--" + each)
                        .toArray(String[]::new));
    }

    /** The messages of an exception and of its causes. */
    static String messages(Throwable thrown) {
        StringBuilder all = new StringBuilder();
        for (Throwable each = thrown; each != null; each = each.getCause()) {
            all.append(each.getMessage()).append('\n');
        }
        return all.toString();
    }
}
