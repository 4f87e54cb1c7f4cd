// The one script: a widget for anywidget, and in a saved page what opens it.

import { openPage } from "./page.js";
import { widget } from "./widget.js";

export { mount } from "./explorer.js";
export default widget;

openPage();
