/* The files that `convoy plugin new` writes, as they lie in core/cli/templates/; embedded by the build. In
 * all of them the plugin is called my_plugin. */
#ifndef CLI_TEMPLATES_H
#define CLI_TEMPLATES_H

extern const char template_layer_c[], template_composite_c[], template_loss_c[], template_optimizer_c[],
    template_dataset_c[], template_augmentation_c[];
extern const char template_layer_yaml[], template_composite_yaml[], template_loss_yaml[],
    template_optimizer_yaml[], template_dataset_yaml[], template_augmentation_yaml[];
extern const char template_cmake[];

#endif
